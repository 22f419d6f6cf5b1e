//! Reading a client's requests: what is read, what is refused and for which reason, and what each version requires.
//!
//! Each test names the message, the tag and the reason that it expects.

use super::tests::{framed, request};
use super::*;
use crate::domain::order::{AccountRef, ClientRequest, InstrumentRef};
use crate::domain::{FixVersion, OrderType, Price, Text};

pub(super) const ORDER_44: &str = "35=D|34=4|49=CLIENT|52=20231114-22:13:20.123|56=GATE|1=ACC1|11=ord-1|38=100|40=2|44=10.5|54=1|55=600000|59=0|60=20231114-22:13:20.123|";

/// `ORDER_44` with one field put in the place of another; an empty one takes it out.
pub(super) fn order_with(old: &str, new: &str) -> Vec<u8> {
    let old = format!("|{old}|");
    assert!(ORDER_44.contains(&old), "{old}");
    let new = if new.is_empty() {
        "|".to_string()
    } else {
        format!("|{new}|")
    };
    framed("FIX.4.4", &ORDER_44.replace(&old, &new))
}

#[test]
fn an_order_is_read_or_refused_for_the_right_reason() {
    use BusinessRejectReason as B;
    use Refusal::{Business, Session};
    use SessionRejectReason as R;
    let long_id = format!("11={}", "x".repeat(40));
    let refused: [(&str, &str, u32, Refusal); 36] = [
        ("44=10.5", "44=1e5", 44, Session(R::BadFormat)),
        ("44=10.5", "44=-0", 44, Session(R::ValueOutOfRange)),
        ("44=10.5", "44=-1", 44, Session(R::ValueOutOfRange)),
        ("44=10.5", "44=1.123456789", 44, Session(R::ValueOutOfRange)),
        ("44=10.5", "44=abc", 44, Session(R::BadFormat)),
        ("44=10.5", "44=.", 44, Session(R::BadFormat)),
        ("44=10.5", "44=1.2.3", 44, Session(R::BadFormat)),
        (
            "44=10.5",
            "",
            44,
            Business(B::ConditionallyRequiredFieldMissing),
        ),
        (
            "38=100",
            "38=9223372036854775808",
            38,
            Session(R::ValueOutOfRange),
        ),
        ("38=100", "38=-5", 38, Session(R::ValueOutOfRange)),
        ("38=100", "38=1.5", 38, Session(R::ValueOutOfRange)),
        ("38=100", "38=1e5", 38, Session(R::BadFormat)),
        (
            "38=100",
            "",
            38,
            Business(B::ConditionallyRequiredFieldMissing),
        ),
        (
            "1=ACC1",
            "",
            1,
            Business(B::ConditionallyRequiredFieldMissing),
        ),
        ("11=ord-1", "", 11, Session(R::RequiredTagMissing)),
        ("11=ord-1", &long_id, 11, Session(R::ValueOutOfRange)),
        (
            "55=600000",
            "",
            55,
            Business(B::ConditionallyRequiredFieldMissing),
        ),
        ("54=1", "", 54, Session(R::RequiredTagMissing)),
        ("54=1", "54=5", 54, Business(B::Other)),
        ("54=1", "54=Z", 54, Session(R::ValueOutOfRange)),
        ("54=1", "54=12", 54, Session(R::ValueOutOfRange)),
        ("54=1", "54=1|54=2", 54, Session(R::TagRepeated)),
        ("40=2", "", 40, Session(R::RequiredTagMissing)),
        ("40=2", "40=3", 40, Business(B::Other)),
        ("40=2", "40=z", 40, Session(R::ValueOutOfRange)),
        ("59=0", "59=1", 59, Business(B::Other)),
        ("59=0", "59=9", 59, Session(R::ValueOutOfRange)),
        (
            "60=20231114-22:13:20.123",
            "",
            60,
            Session(R::RequiredTagMissing),
        ),
        (
            "60=20231114-22:13:20.123",
            "60=20231314-22:13:20",
            60,
            Session(R::BadFormat),
        ),
        ("59=0", "59=0|21=4", 21, Session(R::ValueOutOfRange)),
        ("59=0", "59=0|110=50", 110, Business(B::Other)),
        ("59=0", "59=0|111=50", 111, Business(B::Other)),
        ("59=0", "59=0|152=50", 152, Business(B::Other)),
        (
            "59=0",
            "59=0|168=20231114-22:13:20",
            168,
            Business(B::Other),
        ),
        ("59=0", "59=0|544=2", 544, Business(B::Other)),
        ("38=100", "38=100|38=100", 38, Session(R::TagRepeated)),
    ];
    for (old, new, tag, refusal) in refused {
        let error = request(&order_with(old, new), FixVersion::Fix44).unwrap_err();
        assert_eq!((error.tag, error.refusal), (tag, refusal), "{new}");
    }
    let taken = [
        ("38=100", "38=0"),
        ("38=100", "38=100.00"),
        ("59=0", ""),
        ("59=0", "59=0|21=1"),
        ("59=0", "59=0|110=0|111=0|544=1"),
        ("59=0", "59=0|207=XSHG|9001=abc"),
        ("60=20231114-22:13:20.123", "60=20231114-22:13:20"),
        ("60=20231114-22:13:20.123", "60=20231114-22:13:20.123456789"),
    ];
    for (old, new) in taken {
        assert!(
            request(&order_with(old, new), FixVersion::Fix44).is_ok(),
            "{new}"
        );
    }
}

#[test]
fn market_orders_ignore_the_price_and_unknown_names_are_echoed() {
    let market = ORDER_44.replace("40=2|44=10.5|", "40=1|44=nonsense|");
    let Ok(ClientRequest::New(order)) = request(&framed("FIX.4.4", &market), FixVersion::Fix44)
    else {
        panic!("not an order");
    };
    assert_eq!(
        (order.order_type, order.price),
        (OrderType::Market, Price::ZERO)
    );
    let unknown = ORDER_44
        .replace("|1=ACC1|", "|1=A-NAME-LONGER-THAN-15|")
        .replace("|55=600000|", "|55=60000|");
    let Ok(ClientRequest::New(order)) = request(&framed("FIX.4.4", &unknown), FixVersion::Fix44)
    else {
        panic!("not an order");
    };
    assert_eq!(
        order.account,
        AccountRef::Unknown(Text::cut(b"A-NAME-LONGER-THAN-15"))
    );
    assert_eq!(
        order.instrument,
        InstrumentRef::Unknown(Text::cut(b"60000"))
    );
}

#[test]
fn required_fields_and_types_follow_the_version() {
    let error = request(&framed("FIX.4.2", ORDER_44), FixVersion::Fix42).unwrap_err();
    assert_eq!(error.tag, tags::HANDL_INST);
    assert_eq!(
        error.refusal,
        Refusal::Session(SessionRejectReason::RequiredTagMissing)
    );
    let with_21 = ORDER_44.replace("|38=", "|21=1|38=");
    assert!(request(&framed("FIX.4.2", &with_21), FixVersion::Fix42).is_ok());

    let head = "34=4|49=CLIENT|52=20231114-22:13:20.123|56=GATE|";
    let time = "60=20231114-22:13:20.123|";
    let rest = [
        format!("35=F|{head}11=c|41=o|54=1|55=X|{time}"),
        format!("35=G|{head}11=c|21=1|38=5|40=2|41=o|44=1|54=1|55=X|{time}"),
        format!("35=H|{head}11=c|54=1|55=X|790=r|"),
        format!("35=AF|{head}1=ACC1|584=r|585=7|"),
        format!("35=AF|{head}55=X|584=r|585=1|"),
        format!("35=q|{head}11=c|530=7|{time}"),
        format!("35=q|{head}11=c|54=2|55=X|530=1|{time}"),
    ];
    for body in rest {
        let result = request(&framed("FIX.4.4", &body), FixVersion::Fix44);
        assert!(result.is_ok(), "{body}: {result:?}");
        let result = request(&framed("FIX.4.2", &body), FixVersion::Fix42);
        let is_new_in_43 = body.starts_with("35=AF") || body.starts_with("35=q");
        match result {
            Err(error) if is_new_in_43 => {
                assert_eq!(
                    error.refusal,
                    Refusal::Session(SessionRejectReason::InvalidMsgType)
                );
            }
            Ok(ClientRequest::Status(status)) => assert!(status.request_id.is_empty()),
            other => assert!(other.is_ok() && !is_new_in_43, "{body}"),
        }
    }
    for version in FixVersion::ALL {
        // What each version requires, lowest tag first: all of it is taken, and each of it is missed.
        let has_60 = version >= FixVersion::Fix42;
        let fields = |base: &str, more: &[(bool, &str)]| {
            let more: String = more
                .iter()
                .filter(|(has, _)| *has)
                .map(|(_, field)| format!("{field}|"))
                .collect();
            format!("{base}|{more}")
        };
        let more = [
            (version <= FixVersion::Fix43, "21=1"),
            (has_60, "60=20231114-22:13:20"),
        ];
        let new = fields("11=c|38=5|40=1|54=1|55=X|1=ACC1", &more);
        let change = fields("11=c|38=5|40=1|41=o|54=1|55=X", &more);
        let more = [
            (has_60, "60=20231114-22:13:20"),
            (version == FixVersion::Fix40, "125=F|38=5"),
        ];
        let cancel = fields("11=c|41=o|54=1|55=X", &more);
        for (kind, body) in [("D", new), ("G", change), ("F", cancel)] {
            let begin = std::str::from_utf8(version.begin_string()).unwrap();
            let whole = framed(begin, &format!("35={kind}|{head}{body}"));
            let result = request(&whole, version);
            assert!(result.is_ok(), "{version:?} {kind}: {result:?}");
            for field in body.split_terminator('|') {
                let without = body.replacen(&format!("{field}|"), "", 1);
                let tag: u32 = field.split('=').next().unwrap().parse().unwrap();
                let result = request(
                    &framed(begin, &format!("35={kind}|{head}{without}")),
                    version,
                );
                assert_eq!(result.unwrap_err().tag, tag, "{version:?} {kind} {field}");
            }
        }
        let partial = framed(
            "FIX.4.0",
            &format!("35=F|{head}11=c|38=5|41=o|54=1|55=X|125=P|60=20231114-22:13:20|"),
        );
        let is_refused = request(&partial, version).is_err();
        assert_eq!(is_refused, version == FixVersion::Fix40);
    }
    let other = framed("FIX.4.4", &format!("35=V|{head}"));
    assert_eq!(
        request(&other, FixVersion::Fix44).unwrap_err().refusal,
        Refusal::Business(BusinessRejectReason::UnsupportedMessageType)
    );
}
