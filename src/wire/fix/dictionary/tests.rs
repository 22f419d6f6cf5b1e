//! What a small dictionary of our own takes and what it does not; what the loader says of texts that are none.
//!
//! The dictionary is our own, small, and has one of everything.

use super::{Checks, Dictionary, Fault, Model};
use crate::wire::fix::reject::SessionRejectReason::{self as Reason, *};
use crate::wire::fix::{FieldIndex, parse};

const DIALECT: &str = "<fix type='FIX' major='4' minor='4'>
  <header>
    <field name='BeginString' required='Y'/><field name='BodyLength' required='Y'/><field name='MsgType' required='Y'/>
    <field name='SenderCompID' required='Y'/><field name='TargetCompID' required='Y'/><field name='MsgSeqNum' required='Y'/>
    <field name='PossDupFlag' required='N'/><field name='SendingTime' required='Y'/><field name='OnBehalfOf' required='N'/>
    <group name='NoHops' required='N'><field name='HopID' required='N'/></group>
  </header>
  <messages>
    <message name='Heartbeat' msgtype='0' msgcat='admin'><field name='TestReqID' required='N'/></message>
    <message name='Order' msgtype='D' msgcat='app'>
      <field name='ID' required='Y'/>
      <component name='Thing' required='Y'/>
      <component name='Extras' required='N'/>
      <field name='Side' required='Y'/><field name='Qty' required='N'/><field name='Price' required='N'/>
      <field name='TransactTime' required='N'/><field name='Flags' required='N'/><field name='Open' required='N'/>
      <field name='Day' required='N'/><field name='Kind' required='N'/><field name='Own' required='N'/>
      <group name='NoLegs' required='N'>
        <component name='Leg' required='Y'/>
        <field name='LegQty' required='N'/>
        <group name='NoTags' required='N'><field name='TagName' required='Y'/><field name='TagValue' required='N'/></group>
        <field name='LegText' required='N'/>
      </group>
    </message>
    <message name='Wide' msgtype='AB' msgcat='app'><field name='Text' required='Y'/></message>
  </messages>
  <trailer><field name='SignatureText' required='N'/><field name='CheckSum' required='Y'/></trailer>
  <components>
    <component name='Thing'><field name='Symbol' required='Y'/><field name='Market' required='N'/></component>
    <component name='Extras'><field name='Extra' required='Y'/></component>
    <component name='Leg'><field name='LegSymbol' required='Y'/><field name='LegSide' required='Y'/></component>
  </components>
  <fields>
    <field number='8' name='BeginString' type='STRING'/><field number='9' name='BodyLength' type='LENGTH'/>
    <field number='35' name='MsgType' type='STRING'/><field number='49' name='SenderCompID' type='STRING'/>
    <field number='56' name='TargetCompID' type='STRING'/><field number='34' name='MsgSeqNum' type='SEQNUM'/>
    <field number='43' name='PossDupFlag' type='BOOLEAN'/><field number='52' name='SendingTime' type='UTCTIMESTAMP'/>
    <field number='115' name='OnBehalfOf' type='STRING'/><field number='10' name='CheckSum' type='STRING'/>
    <field number='627' name='NoHops' type='NUMINGROUP'/><field number='628' name='HopID' type='STRING'/>
    <field number='89' name='SignatureText' type='STRING'/><field number='112' name='TestReqID' type='STRING'/>
    <field number='11' name='ID' type='STRING'/><field number='55' name='Symbol' type='STRING'/>
    <field number='207' name='Market' type='STRING'><value enum='XSHG'/><value enum='XSHE'/></field>
    <field number='54' name='Side' type='CHAR'><value enum='1' description='BUY'/><value enum='2' description='SELL'/></field>
    <field number='38' name='Qty' type='QTY'/><field number='44' name='Price' type='PRICE'/>
    <field number='60' name='TransactTime' type='UTCTIMESTAMP'/>
    <field number='18' name='Flags' type='MULTIPLEVALUESTRING'><value enum='a'/><value enum='b'/><value enum='XY'/></field>
    <field number='59' name='Open' type='CHAR' allow_other_values='Y'><value enum='0'/></field>
    <field number='205' name='Day' type='DAYOFMONTH'/>
    <field number='206' name='Kind' type='INT'><value enum='1'/><value enum='12'/></field>
    <field number='58' name='Text' type='STRING'/><field number='999' name='Extra' type='STRING'/>
    <field number='7001' name='Own' type='INT'/>
    <field number='146' name='NoLegs' type='NUMINGROUP'/><field number='600' name='LegSymbol' type='STRING'/>
    <field number='624' name='LegSide' type='CHAR'/><field number='687' name='LegQty' type='QTY'/>
    <field number='70' name='NoTags' type='NUMINGROUP'/><field number='79' name='TagName' type='STRING'/>
    <field number='80' name='TagValue' type='INT'/><field number='20' name='LegText' type='STRING'/>
  </fields>
</fix>";

const HEADER: &str = "49=A|56=B|34=7|52=20261123-10:11:12.123|";
const ORDER: &str = "11=id|55=X|54=1|";

fn model() -> Model {
    Dictionary::from_quickfix_xml(DIALECT).expect("a dictionary")
}

/// `|` for SOH; begins with the value of 35.
pub(super) fn frame(fields: &str) -> Vec<u8> {
    let body = format!("35={fields}").replace('|', "\x01");
    let mut frame = format!("8=FIX.4.4\x019={}\x01{body}", body.len()).into_bytes();
    let sum = frame.iter().fold(0u8, |sum, &c| sum.wrapping_add(c));
    frame.extend_from_slice(format!("10={sum:03}\x01").as_bytes());
    frame
}

fn validate(fields: &str, checks: &Checks) -> Result<(), Fault> {
    let dictionary = Dictionary::compile(&model(), None).expect("tables");
    let frame = frame(fields);
    let mut index = FieldIndex::new();
    let message = parse(&frame, &mut index).expect("a message");
    dictionary.validate(&message, checks)
}

/// An order with these fields behind those that it must have.
fn order(more: &str) -> Result<(), Fault> {
    validate(&format!("D|{HEADER}{ORDER}{more}"), &Checks::ALL)
}

fn fault(tag: i32, reason: Reason) -> Result<(), Fault> {
    let tag = Some(tag);
    Err(Fault { tag, reason })
}

#[test]
fn orders_as_they_must_be() {
    for more in [
        "",
        "38=100|44=12.34|60=20261123-10:11:12.123|",
        "38=-0.5|44=5.|60=20261123-10:11:12|",
        "60=20261123-10:11:60.123456789012|",
        "18=a|",
        "18=b XY a|",
        "59=q|",
        "205=31|206=12|207=XSHE|999=x|",
        "7001=-5|89=signed|",
        "146=0|",
        "146=1|600=x|624=1|",
        "146=2|600=x|624=1|687=5|70=2|79=n|80=1|79=m|20=t|600=y|624=2|70=0|38=5|",
    ] {
        assert_eq!(order(more), Ok(()), "{more}");
    }
    let hops = "D|49=A|56=B|627=2|628=x|628=y|34=7|52=20261123-10:11:12.123|11=id|55=X|54=1|";
    assert_eq!(validate(hops, &Checks::ALL), Ok(()));
    assert_eq!(validate(&format!("0|{HEADER}112=x|"), &Checks::ALL), Ok(()));
    assert_eq!(validate(&format!("AB|{HEADER}58=x|"), &Checks::ALL), Ok(()));
}

/// A message, what is to be found in it, and the check that finds it.
type Mistake = (String, Result<(), Fault>, fn(&mut Checks));

/// One mistake each, with the switch of the check that finds it.
fn mistakes() -> Vec<Mistake> {
    let behind = |more: &str| format!("D|{HEADER}{ORDER}{more}");
    let mut all: Vec<Mistake> = Vec::new();
    let mut add = |text: String, tag, reason, switch: fn(&mut Checks)| {
        all.push((text, Err(Fault { tag, reason }), switch));
    };
    add(format!("Q|{HEADER}"), None, InvalidMsgType, |c| {
        c.unknown_msg_type = false;
    });
    for (text, tag) in [
        (
            "D|49=A|34=7|52=20261123-10:11:12|11=id|55=X|54=1|".to_owned(),
            56,
        ),
        (format!("D|{HEADER}55=X|54=1|"), 11),
        (format!("D|{HEADER}11=id|54=1|"), 55),
        (behind("146=1|600=x|"), 624),
        (behind("146=2|600=x|624=1|70=1|79=n|600=y|"), 624),
    ] {
        add(text, Some(tag), RequiredTagMissing, |c| {
            c.required_fields = false
        });
    }
    for tag in [4000, 1] {
        add(
            behind(&format!("{tag}=x|")),
            Some(tag),
            InvalidTagNumber,
            |c| {
                c.undefined_tags = false;
            },
        );
    }
    add(behind("5000=x|"), Some(5000), InvalidTagNumber, |c| {
        c.user_defined_fields = false;
    });
    // Of another message; a group's member without its count, and behind its group.
    for (text, tag) in [
        (behind("58=x|"), 58),
        (format!("0|{HEADER}7001=1|"), 7001),
        (behind("600=x|"), 600),
        (behind("146=1|600=x|624=1|38=5|687=5|"), 687),
    ] {
        add(text, Some(tag), TagNotDefined, |c| {
            c.tags_not_in_message = false
        });
    }
    for (text, tag) in [
        (behind("38=|"), 38),
        (format!("D|{HEADER}115=|{ORDER}"), 115),
        (behind("146=1|600=|624=1|"), 600),
        (behind("206=|"), 206),
    ] {
        add(text, Some(tag), TagWithoutValue, |c| c.empty_values = false);
    }
    for (more, tag) in [
        ("38=+200.00|", 38),
        ("44=1.2.3|", 44),
        ("44=.|", 44),
        ("44=123456789a|", 44),
        ("60=20261123|", 60),
        ("60=20260229-10:11:12.123|", 60),
        ("60=20261123-24:11:12.123|", 60),
        ("60=20261123-10:61:12.123|", 60),
        ("60=20261123-10:11:12.12x|", 60),
        ("60=20261123-10:11:12.|", 60),
        ("205=32|", 205),
        ("7001=1.5|", 7001),
        ("146=1|600=x|624=12|", 624),
        ("146=x|", 146),
    ] {
        add(behind(more), Some(tag), BadFormat, |c| c.formats = false);
    }
    for (more, tag) in [
        ("207=XNYS|", 207),
        ("206=2|", 206),
        ("206=01|", 206),
        ("18=a c|", 18),
    ] {
        add(behind(more), Some(tag), ValueOutOfRange, |c| {
            c.enumerations = false
        });
    }
    for (text, tag) in [
        (behind("11=again|"), 11),
        (behind("207=XSHE|207=XSHE|"), 207),
        (format!("D|{HEADER}49=A|{ORDER}"), 49),
        (behind("146=1|600=x|624=1|624=2|"), 624),
    ] {
        add(text, Some(tag), TagRepeated, |c| c.repeated_tags = false);
    }
    for (text, tag) in [
        (format!("D|{ORDER}{HEADER}"), 49),
        (
            "D|49=A|56=B|11=id|34=7|52=20261123-10:11:12|55=X|54=1|".to_owned(),
            34,
        ),
        (behind("115=x|"), 115),
        (behind("89=x|38=5|"), 38),
    ] {
        add(text, Some(tag), TagOutOfOrder, |c| c.field_order = false);
    }
    for (more, tag, reason) in [
        ("146=2|600=x|624=1|", 146, GroupCount),
        ("146=0|600=x|624=1|", 146, GroupCount),
        ("146=1|600=x|624=1|600=y|624=1|", 146, GroupCount),
        ("146=1|600=x|624=1|70=1|79=n|79=m|", 70, GroupCount),
        ("146=1|600=x|687=5|624=1|", 624, GroupOrder),
        ("146=1|624=1|600=x|", 624, GroupOrder),
        ("146=1|600=x|624=1|20=t|70=0|", 70, GroupOrder),
    ] {
        add(behind(more), Some(tag), reason, |c| c.groups = false);
    }
    all
}

#[test]
fn each_mistake_has_its_fault() {
    for (text, expected, _) in mistakes() {
        assert_eq!(validate(&text, &Checks::ALL), expected, "{text}");
    }
}

#[test]
fn each_check_can_be_switched_off() {
    for (text, expected, switch) in mistakes() {
        let mut checks = Checks::ALL;
        switch(&mut checks);
        assert_ne!(validate(&text, &checks), expected, "{text}");
    }
    let none = Checks {
        unknown_msg_type: false,
        required_fields: false,
        undefined_tags: false,
        tags_not_in_message: false,
        empty_values: false,
        formats: false,
        enumerations: false,
        repeated_tags: false,
        field_order: false,
        groups: false,
        user_defined_fields: false,
    };
    for (text, _, _) in mistakes() {
        assert_eq!(validate(&text, &none), Ok(()), "{text}");
    }
}

#[test]
fn of_several_mistakes_the_first_in_the_order_of_checks() {
    // Order of the wire is not the order of checks.
    assert_eq!(order("58=x|38=y|4000=|"), fault(38, BadFormat));
    assert_eq!(order("4000=|"), fault(4000, TagWithoutValue));
    assert_eq!(order("7001=x|115=y|"), fault(115, TagOutOfOrder));
    let unknown = format!("Q|{ORDER}{HEADER}");
    assert_eq!(validate(&unknown, &Checks::ALL), fault(49, TagOutOfOrder));
    let missing = format!("D|{HEADER}11=id|55=X|38=|44=x|");
    assert_eq!(
        validate(&missing, &Checks::ALL),
        fault(54, RequiredTagMissing)
    );
    // The header's fields before the body's, and the trailer's before those.
    let header = format!("D|{HEADER}115=|{ORDER}38=x|");
    assert_eq!(validate(&header, &Checks::ALL), fault(115, TagWithoutValue));
    assert_eq!(order("38=x|89=|"), fault(89, TagWithoutValue));
    // A group's members come with its count, after it.
    assert_eq!(order("146=2|600=x|624=12|"), fault(146, GroupCount));
    assert_eq!(order("146=1|600=x|624=12|38=x|"), fault(38, BadFormat));
    assert_eq!(order("146=1|600=x|624=12|207=q|"), fault(624, BadFormat));
}

#[test]
fn tags_that_are_no_tags() {
    assert_eq!(order("-1=x|"), fault(-1, InvalidTagNumber));
    assert_eq!(order("0=x|"), fault(0, InvalidTagNumber));
}

#[test]
fn user_defined_fields_are_let_through_where_the_dictionary_has_them_not() {
    let checks = Checks {
        user_defined_fields: false,
        ..Checks::ALL
    };
    let order = |more: &str| validate(&format!("D|{HEADER}{ORDER}{more}"), &checks);
    assert_eq!(order("9999=x|"), Ok(()));
    // Also within a group, and more than once.
    assert_eq!(order("9999=x|146=1|600=x|9999=y|624=1|"), Ok(()));
    assert_eq!(order("7001=x|"), fault(7001, BadFormat));
    assert_eq!(order("4000=x|"), fault(4000, InvalidTagNumber));
    let heartbeat = format!("0|{HEADER}7001=1|");
    assert_eq!(validate(&heartbeat, &checks), fault(7001, TagNotDefined));
}

const APPLICATION: &str = "<fix type='FIX' major='5' minor='0' servicepack='2'>
  <header/><trailer/>
  <messages>
    <message name='News' msgtype='B' msgcat='app'><field name='Headline' required='Y'/><field name='TestReqID' required='N'/></message>
  </messages>
  <components/>
  <fields><field number='148' name='Headline' type='STRING'/><field number='112' name='TestReqID' type='INT'/></fields>
</fix>";

#[test]
fn transport_and_application_make_one() {
    let transport = model();
    let application = Dictionary::from_quickfix_xml(APPLICATION).expect("a dictionary");
    assert_eq!(
        (application.begin_string.as_str(), application.service_pack),
        ("FIX.5.0", 2)
    );
    let alone = Dictionary::compile(&application, None).expect_err("it has no header");
    assert!(alone.to_string().contains("FIXT.1.1"), "{alone}");
    let both = Dictionary::compile(&transport, Some(&application)).expect("tables");
    let check = |fields: &str| {
        let frame = frame(fields);
        let mut index = FieldIndex::new();
        both.validate(&parse(&frame, &mut index).expect("a message"), &Checks::ALL)
    };
    // Each field as the dictionary of its message has it.
    assert_eq!(check(&format!("0|{HEADER}112=x|")), Ok(()));
    assert_eq!(check(&format!("B|{HEADER}148=x|112=5|")), Ok(()));
    assert_eq!(
        check(&format!("B|{HEADER}148=x|112=x|")),
        fault(112, BadFormat)
    );
    assert_eq!(
        check(&format!("0|{HEADER}148=x|")),
        fault(148, InvalidTagNumber)
    );
    assert_eq!(
        check(&format!("B|{HEADER}148=x|115=x|")),
        fault(115, TagOutOfOrder)
    );
}

#[test]
fn text_of_any_length_was_a_char_up_to_fix_4_1() {
    let old = DIALECT.replace("minor='4'", "minor='1'");
    let text = format!("D|{HEADER}{ORDER}146=1|600=x|624=12|");
    assert_eq!(validate(&text, &Checks::ALL), fault(624, BadFormat));
    let model = Dictionary::from_quickfix_xml(&old).expect("a dictionary");
    let dictionary = Dictionary::compile(&model, None).expect("tables");
    let frame = frame(&text);
    let mut index = FieldIndex::new();
    let message = parse(&frame, &mut index).expect("a message");
    assert_eq!(dictionary.validate(&message, &Checks::ALL), Ok(()));
}

#[test]
fn what_is_no_dictionary_is_said_with_line_element_and_remedy() {
    for (from, to, line, element, problem) in [
        (
            "<fix type='FIX' major='4' minor='4'>",
            "<fix type='FIX' major='x' minor='4'>",
            1,
            "<fix>",
            "major='x' is no number",
        ),
        (
            "<fix type='FIX'",
            "<fix type='XML'",
            1,
            "<fix>",
            "unknown type",
        ),
        (
            "<component name='Thing' required='Y'/>",
            "<component name='Thinng' required='Y'/>",
            12,
            "<component name='Thinng'>",
            "no component of that name",
        ),
        (
            "<field name='Side' required='Y'/>",
            "<field name='Seite' required='Y'/>",
            14,
            "<field name='Seite'>",
            "no field of that name",
        ),
        (
            "<field name='ID' required='Y'/>",
            "<field name='ID' required='yes'/>",
            11,
            "<field name='ID'>",
            "neither Y nor N",
        ),
        (
            "<field name='ID' required='Y'/>",
            "<field required='Y'/>",
            11,
            "<field>",
            "no attribute name",
        ),
        (
            "<field name='ID' required='Y'/>",
            "<value enum='x'/>",
            11,
            "<value enum='x'>",
            "no attribute name",
        ),
        (
            "msgtype='D'",
            "msgtype='0'",
            10,
            "<message name='Order'>",
            "its type 0 is Heartbeat's already",
        ),
        (
            "msgtype='D'",
            "msgtype='ABCDE'",
            10,
            "<message name='Order'>",
            "no message type",
        ),
        (
            "msgtype='D' msgcat='app'",
            "msgtype='D' msgcat='application'",
            10,
            "<message name='Order'>",
            "unknown category",
        ),
        (
            "type='QTY'/><field number='44'",
            "type='QTTY'/><field number='44'",
            43,
            "<field number='38' name='Qty'>",
            "unknown type QTTY",
        ),
        (
            "number='60'",
            "number='44'",
            44,
            "<field number='44' name='TransactTime'>",
            "a field of that number stands before it",
        ),
        (
            "number='60'",
            "number='0'",
            44,
            "<field number='0' name='TransactTime'>",
            "no such tag",
        ),
        (
            "name='TransactTime' type",
            "name='Price' type",
            44,
            "<field number='60' name='Price'>",
            "a field of that name stands before it",
        ),
        (
            "<component name='Leg'>",
            "<component name='Leg'><component name='Leg' required='N'/>",
            30,
            "<component name='Leg'>",
            "a component contains itself",
        ),
        (
            "<component name='Leg'>",
            "<component name='Thing'/><component name='Leg'>",
            30,
            "<component name='Thing'>",
            "it stands twice",
        ),
        (
            "  <trailer>",
            "  <mesages/><trailer>",
            26,
            "<mesages>",
            "unknown section",
        ),
        (
            "  <trailer>",
            "  <trailer/><trailer>",
            26,
            "<trailer>",
            "it stands twice",
        ),
        ("</fields>", "</field>", 55, "the file", "fields"),
    ] {
        assert!(DIALECT.contains(from), "{from}");
        let text = DIALECT.replacen(from, to, 1);
        let error = match Dictionary::from_quickfix_xml(&text) {
            Ok(_) => panic!("taken: {to}"),
            Err(error) => error,
        };
        assert_eq!(
            (error.line, error.element.as_str()),
            (line, element),
            "{error}"
        );
        assert!(error.problem.contains(problem), "{error}");
        assert!(
            !error.remedy.is_empty() && error.to_string().starts_with("line "),
            "{error}"
        );
    }
}

#[test]
fn components_that_grow_without_end_are_refused() {
    let mut components =
        String::from("<component name='C0'><field name='ID' required='N'/></component>");
    for n in 1..12 {
        let inner = format!("<component name='C{}' required='N'/>", n - 1).repeat(16);
        components.push_str(&format!("<component name='C{n}'>{inner}</component>"));
    }
    let text = DIALECT
        .replacen("<components>", &format!("<components>{components}"), 1)
        .replacen(
            "<component name='Thing' required='Y'/>",
            "<component name='C11' required='Y'/>",
            1,
        );
    let model = Dictionary::from_quickfix_xml(&text).expect("nothing is wrong with the text");
    let error = Dictionary::compile(&model, None).expect_err("too many parts");
    assert!(error.problem.contains("message Order"), "{error}");
}

/// The nine standard dictionaries, where the directory with them is named.
#[test]
fn standard_dictionaries_load() {
    let Some(directory) = std::env::var_os("GATEHOUSE_DICTIONARIES") else {
        println!("GATEHOUSE_DICTIONARIES names no directory: nothing is loaded");
        return;
    };
    let load = |name: &str| {
        let path = std::path::Path::new(&directory).join(format!("{name}.xml"));
        let text = std::fs::read_to_string(&path)
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Dictionary::from_quickfix_xml(&text)
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    };
    let transport = load("FIXT11");
    assert!(transport.is_transport());
    for name in ["FIX40", "FIX41", "FIX42", "FIX43", "FIX44"] {
        let model = load(name);
        assert!(!model.is_transport() && model.messages.len() > 20, "{name}");
        Dictionary::compile(&model, None).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    for name in ["FIX50", "FIX50SP1", "FIX50SP2"] {
        let model = load(name);
        assert!(
            model.header.is_empty() && model.messages.len() > 80,
            "{name}"
        );
        Dictionary::compile(&transport, Some(&model))
            .unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}
