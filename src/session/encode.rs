//! Administrative messages as bytes, and the header that all our messages of a session share.
//!
//! Pure; writes into the caller's slice (claimed log space). Cold next to application messages, which use the same
//! [`SessionIds::header`].

use std::ops::Range;

use super::action::{
    Admin, DELIVER_TO_LOCATION_ID, DELIVER_TO_SUB_ID, LogoutText, ON_BEHALF_OF_LOCATION_ID,
    ON_BEHALF_OF_SUB_ID, Reject, Routing,
};
use crate::config::plan::FixPlan;
use crate::domain::{FixVersion, Now, Text};
use crate::wire::fix::{Header, MsgType, NoRoom, TimeText, Writer, tags};

/// What is the same in every message that a session sends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SessionIds {
    /// BeginString(8)
    pub version: FixVersion,
    /// SenderCompID(49): ours
    pub sender_comp_id: Text<31>,
    /// TargetCompID(56): the peer
    pub target_comp_id: Text<31>,
}

impl SessionIds {
    /// From the plan.
    pub fn new(plan: &FixPlan) -> Self {
        Self {
            version: plan.version,
            sender_comp_id: plan.sender_comp_id,
            target_comp_id: plan.target_comp_id,
        }
    }

    /// Header of a message sent for the first time.
    pub fn header(&self, msg_type: MsgType, msg_seq_num: u64, now: Now) -> Header<'_> {
        Header {
            version: self.version,
            msg_type,
            msg_seq_num,
            sender_comp_id: self.sender_comp_id.as_bytes(),
            target_comp_id: self.target_comp_id.as_bytes(),
            sending_time_ns: now.wall_ns,
            poss_dup: false,
            poss_resend: false,
            orig_sending_time: b"",
            last_processed: None,
        }
    }
}

/// MsgType(35) of an administrative message.
pub fn msg_type(admin: &Admin) -> MsgType {
    match admin {
        Admin::Logon { .. } => MsgType::LOGON,
        Admin::Heartbeat { .. } => MsgType::HEARTBEAT,
        Admin::TestRequest => MsgType::TEST_REQUEST,
        Admin::ResendRequest { .. } => MsgType::RESEND_REQUEST,
        Admin::Reject(_) => MsgType::REJECT,
        Admin::SequenceReset { .. } => MsgType::SEQUENCE_RESET,
        Admin::Logout { .. } => MsgType::LOGOUT,
    }
}

/// Writes `admin`; `header` is the session's, and its type is set here. Where it stands in `out`.
pub fn admin(
    header: &Header<'_>,
    admin: &Admin,
    time: &mut TimeText,
    out: &mut [u8],
) -> Result<Range<usize>, NoRoom> {
    let header = Header {
        msg_type: msg_type(admin),
        ..*header
    };
    let mut writer = Writer::begin(out, &header, time);
    match admin {
        Admin::Logon {
            heartbeat_interval_s,
            reset,
            next_expected,
        } => {
            writer.u64(tags::ENCRYPT_METHOD, 0);
            writer.u64(tags::HEART_BT_INT, *heartbeat_interval_s as u64);
            if *reset {
                writer.flag(tags::RESET_SEQ_NUM_FLAG, true);
            }
            if let Some(number) = next_expected {
                writer.u64(tags::NEXT_EXPECTED_MSG_SEQ_NUM, *number);
            }
            if let Some(version) = header.version.appl_ver_id() {
                writer.char(tags::DEFAULT_APPL_VER_ID, version);
            }
        }
        Admin::Heartbeat { test_request_id } => {
            if let Some(id) = test_request_id {
                writer.echo(tags::TEST_REQ_ID, id.as_bytes());
            }
        }
        Admin::TestRequest => writer.bytes(tags::TEST_REQ_ID, b"TEST"),
        Admin::ResendRequest { begin, end } => {
            writer.u64(tags::BEGIN_SEQ_NO, *begin);
            writer.u64(tags::END_SEQ_NO, *end);
        }
        Admin::Reject(reject) => write_reject(&mut writer, header.version, reject),
        Admin::SequenceReset { new_sequence } => {
            writer.u64(tags::NEW_SEQ_NO, *new_sequence);
            writer.flag(tags::GAP_FILL_FLAG, false);
        }
        Admin::Logout { text } => writer.bytes(tags::TEXT, text.as_bytes()),
    }
    writer.finish()
}

fn write_reject(writer: &mut Writer<'_>, version: FixVersion, reject: &Reject) {
    write_routing(writer, version, &reject.routing);
    writer.u64(tags::REF_SEQ_NUM, reject.reference);
    let text = reject.reason.text();
    if version <= FixVersion::Fix41 {
        // These have no fields for what was wrong: the text says it.
        let text: LogoutText = match reject.tag {
            Some(tag) => super::action::text(format_args!("{text} ({tag})")),
            None => Text::cut(text.as_bytes()),
        };
        return writer.bytes(tags::TEXT, text.as_bytes());
    }
    writer.bytes(tags::TEXT, text.as_bytes());
    if let Some(tag) = reject.tag {
        writer.i64(tags::REF_TAG_ID, tag as i64);
    }
    writer.bytes(tags::REF_MSG_TYPE, reject.msg_type.text().as_bytes());
    if let Some(code) = reject.reason.code(version) {
        writer.u64(tags::SESSION_REJECT_REASON, code as u64);
    }
}

/// The third parties of the message that is answered, reversed.
fn write_routing(writer: &mut Writer<'_>, version: FixVersion, routing: &Routing) {
    writer.bytes(
        tags::ON_BEHALF_OF_COMP_ID,
        routing.deliver_to_comp_id.as_bytes(),
    );
    writer.bytes(ON_BEHALF_OF_SUB_ID, routing.deliver_to_sub_id.as_bytes());
    writer.bytes(
        tags::DELIVER_TO_COMP_ID,
        routing.on_behalf_of_comp_id.as_bytes(),
    );
    writer.bytes(DELIVER_TO_SUB_ID, routing.on_behalf_of_sub_id.as_bytes());
    if version == FixVersion::Fix40 {
        return; // it has no locations
    }
    writer.bytes(
        ON_BEHALF_OF_LOCATION_ID,
        routing.deliver_to_location_id.as_bytes(),
    );
    writer.bytes(
        DELIVER_TO_LOCATION_ID,
        routing.on_behalf_of_location_id.as_bytes(),
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::fix::Precision;

    const IDS: fn() -> SessionIds = || SessionIds {
        version: FixVersion::Fix42,
        sender_comp_id: Text::cut(b"GATE"),
        target_comp_id: Text::cut(b"PEER"),
    };

    #[test]
    fn without_room_nothing_is_claimed() {
        let mut time = TimeText::new(Precision::Millis);
        for room in 0..70 {
            let mut out = vec![0; room];
            let heartbeat = Admin::Heartbeat {
                test_request_id: None,
            };
            let ids = IDS();
            let header = ids.header(MsgType::HEARTBEAT, 1, Now::default());
            let made = admin(&header, &heartbeat, &mut time, &mut out);
            assert_eq!(made, Err(NoRoom), "{room}");
        }
    }
}
