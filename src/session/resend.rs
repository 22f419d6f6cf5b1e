//! Sending again: stored messages, one by one, become what the peer gets for its ResendRequest.
//!
//! ```text
//! Action::Resend -> cursor.request(begin, end)
//! each cycle, while there is budget and send room: cursor.wanted() -> n; cursor.step(stored bytes of n, tools) -> send
//! ```
//!
//! Owned by the stage that owns the log. While the cursor is open, new messages are numbered and committed to the log as ever, but
//! not sent: `extend` puts them behind the resend, where they go as they are. So nothing overtakes, and memory stays flat.
//! Orders towards a desk are never resent: [`ResendPolicy::GapFillAll`].

use std::ops::Range;

use super::encode::SessionIds;
use crate::domain::Now;
use crate::wire::fix::{FieldIndex, Message, MsgType, NoRoom, TimeText, Writer, parse, tags};

/// What a resend repeats.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ResendPolicy {
    /// Application messages with 43=Y, administrative ones as gaps: towards clients.
    Replay,
    /// Everything is a gap: towards desks.
    GapFillAll,
}

/// What one step asks for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Step {
    /// Only looked at: nothing to send yet.
    Nothing,
    /// Send this part of the buffer.
    Send(Range<usize>),
    /// Send the stored bytes as they are: they never left.
    SendStored,
}

/// Bytes by which a message grows when it is repeated: `43=Y`, `122=` with nanoseconds, one more digit of length.
pub const RESEND_GROWTH_BYTES: usize = 40;

/// Where a resend stands. Small; one per session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResendCursor {
    /// Next number to repeat; above `end`: none
    next: u64,
    /// Last number to repeat
    end: u64,
    /// First number that never left; above `tail_end`: none
    tail_next: u64,
    /// Last number that waits
    tail_end: u64,
    /// A number that the peer asked for while a resend was under way: a GapFill must begin there and not before, since one under
    /// a lower number is a duplicate to it; zero: none
    split: u64,
    /// First number of the gap that the next GapFill covers; zero: none
    run_first: u64,
    /// SendingTime(52) of that number; zero: not known
    run_original_ns: u64,
}

impl Default for ResendCursor {
    fn default() -> Self {
        Self::new()
    }
}

impl ResendCursor {
    /// Closed.
    pub const fn new() -> Self {
        Self {
            next: 1,
            end: 0,
            tail_next: 1,
            tail_end: 0,
            split: 0,
            run_first: 0,
            run_original_ns: 0,
        }
    }

    /// On [`super::Action::Resend`]. While a resend is under way, the two become one: what the peer asks for again is repeated,
    /// what never left stays a first sending.
    pub fn request(&mut self, begin: u64, end: u64) {
        let end = self.last_sent(end);
        if begin > end {
            return; // it waits in the tail and goes out anyway
        }
        if self.next > self.end {
            (self.next, self.end, self.split) = (begin, end, begin);
            return;
        }
        let unsent = if self.run_first != 0 {
            self.run_first
        } else {
            self.next
        };
        self.split = self.split.max(begin).max(unsent);
        self.next = begin.min(unsent);
        self.end = end.max(self.end);
        self.run_first = 0;
    }

    /// Whether a resend is under way that goes on to `end`, or up to what never left.
    pub fn covers(&self, end: u64) -> bool {
        self.is_repeating() && self.last_sent(end) <= self.end
    }

    /// The last number up to `end` that has left; those behind it wait for their first sending.
    pub fn last_sent(&self, end: u64) -> u64 {
        match self.has_tail() {
            true => end.min(self.tail_next - 1),
            false => end,
        }
    }

    /// A new message was committed under `number` while the cursor is open: it waits its turn.
    pub fn extend(&mut self, number: u64) {
        if !self.has_tail() {
            self.tail_next = number;
        }
        self.tail_end = number;
    }

    /// Forgets everything: the connection is gone, or the numbers were reset.
    pub fn cancel(&mut self) {
        *self = Self::new();
    }

    /// Whether new messages must wait (see `extend`).
    #[inline]
    pub fn is_open(&self) -> bool {
        self.next <= self.end || self.has_tail()
    }

    /// Whether the next step concerns a number that was sent before.
    #[inline]
    pub fn is_repeating(&self) -> bool {
        self.next <= self.end
    }

    /// The number whose stored bytes `step` wants.
    #[inline]
    pub fn wanted(&self) -> Option<u64> {
        if self.next <= self.end {
            Some(self.next)
        } else {
            self.has_tail().then_some(self.tail_next)
        }
    }

    /// None of the numbers from `wanted` up to `last` was ever used: all of them but the last one in question join the run at once.
    pub fn pass(&mut self, last: u64) {
        let mut last = last.min(self.end);
        if self.split > self.next {
            last = last.min(self.split - 1);
        }
        if last <= self.next || (self.run_first != 0 && self.next == self.split) {
            return;
        }
        if self.run_first == 0 {
            (self.run_first, self.run_original_ns) = (self.next, 0);
        }
        self.next = last;
    }

    /// One step. `stored`: the bytes of `wanted`, where the log has them. `out` has room for a frame and
    /// [`RESEND_GROWTH_BYTES`]; without room nothing changes. What it asks to send must be sent: look for room before.
    pub fn step(
        &mut self,
        stored: Option<&[u8]>,
        tools: &mut ResendTools<'_>,
    ) -> Result<Step, NoRoom> {
        if self.next > self.end {
            return self.step_tail(stored, tools);
        }
        if tools.policy == ResendPolicy::GapFillAll {
            let until = if self.split > self.next && self.split <= self.end {
                self.split
            } else {
                self.end + 1
            };
            let range = self.gap_fill(self.next, until, 0, tools)?;
            self.next = until;
            return Ok(Step::Send(range));
        }
        if self.run_first != 0 && self.next == self.split {
            return self.end_run(tools);
        }
        let mut index = FieldIndex::new();
        let message = stored.and_then(|bytes| parse(bytes, &mut index).ok());
        let Some(message) = message.filter(|message| !message.msg_type().is_admin()) else {
            let original_ns = message.and_then(|m| m.sending_time_ns()).unwrap_or(0);
            return self.step_over(original_ns, tools);
        };
        if self.run_first != 0 {
            return self.end_run(tools);
        }
        let range = repeat(&message, self.next, tools)?;
        self.next += 1;
        Ok(Step::Send(range))
    }

    /// Sends the GapFill for what was stepped over.
    fn end_run(&mut self, tools: &mut ResendTools<'_>) -> Result<Step, NoRoom> {
        let range = self.gap_fill(self.run_first, self.next, self.run_original_ns, tools)?;
        self.run_first = 0;
        Ok(Step::Send(range))
    }

    /// `next` is not repeated: it joins the run, and the run ends with the range.
    fn step_over(&mut self, original_ns: u64, tools: &mut ResendTools<'_>) -> Result<Step, NoRoom> {
        let (first, first_ns) = if self.run_first == 0 {
            (self.next, original_ns)
        } else {
            (self.run_first, self.run_original_ns)
        };
        let mut step = Step::Nothing;
        if self.next == self.end {
            step = Step::Send(self.gap_fill(first, self.end + 1, first_ns, tools)?);
            self.run_first = 0;
        } else {
            (self.run_first, self.run_original_ns) = (first, first_ns);
        }
        self.next += 1;
        Ok(step)
    }

    fn step_tail(
        &mut self,
        stored: Option<&[u8]>,
        tools: &mut ResendTools<'_>,
    ) -> Result<Step, NoRoom> {
        if !self.has_tail() {
            return Ok(Step::Nothing);
        }
        let step = match stored {
            Some(_) => Step::SendStored,
            None => Step::Send(self.gap_fill(self.tail_next, self.tail_next + 1, 0, tools)?),
        };
        self.tail_next += 1;
        Ok(step)
    }

    fn has_tail(&self) -> bool {
        self.tail_next <= self.tail_end
    }

    fn gap_fill(
        &self,
        first: u64,
        next: u64,
        original_ns: u64,
        tools: &mut ResendTools<'_>,
    ) -> Result<Range<usize>, NoRoom> {
        let original = tools.time.write(original_ns);
        let mut header = tools.ids.header(MsgType::SEQUENCE_RESET, first, tools.now);
        header.last_processed = tools.last_processed;
        header.poss_dup = true;
        if original_ns != 0 {
            header.orig_sending_time = original.as_bytes();
        }
        let mut writer = Writer::begin(tools.out, &header, tools.time);
        writer.u64(tags::NEW_SEQ_NO, next);
        writer.flag(tags::GAP_FILL_FLAG, true);
        writer.finish()
    }
}

/// What a step works with.
pub struct ResendTools<'a> {
    /// Whose header
    pub ids: &'a SessionIds,
    /// What is repeated
    pub policy: ResendPolicy,
    /// [`super::Session::last_processed`]
    pub last_processed: Option<u64>,
    /// Clock
    pub now: Now,
    /// Writes times
    pub time: &'a mut TimeText,
    /// Where messages are made
    pub out: &'a mut [u8],
}

/// `message` with 43=Y, 122 = its first SendingTime, and a new SendingTime. The rest is as it was.
fn repeat(
    message: &Message<'_>,
    number: u64,
    tools: &mut ResendTools<'_>,
) -> Result<Range<usize>, NoRoom> {
    let mut header = tools.ids.header(message.msg_type(), number, tools.now);
    header.last_processed = tools.last_processed;
    header.poss_dup = true;
    header.poss_resend = message.poss_resend();
    header.orig_sending_time = message
        .orig_sending_time()
        .or(message.sending_time())
        .unwrap_or(b"");
    let mut writer = Writer::begin_short(tools.out, &header, tools.time);
    // The header's own fields stand where they ascend among those that were there: 97 behind 91, 122 behind 116.
    let (mut low, mut header_done) = (true, false);
    for (tag, value) in message.fields().filter(|(tag, _)| !is_made_anew(*tag)) {
        if low && !HEADER_BELOW_97.contains(&tag) {
            writer.poss_resend(&header);
            low = false;
        }
        if !low && !header_done && !HEADER_BELOW_122.contains(&tag) {
            writer.rest_of_header(&header);
            header_done = true;
        }
        writer.echo(tag, value);
    }
    if low {
        writer.poss_resend(&header);
    }
    if !header_done {
        writer.rest_of_header(&header);
    }
    writer.finish()
}

/// SenderSubID, TargetSubID, SecureDataLen, SecureData
const HEADER_BELOW_97: [u32; 4] = [50, 57, 90, 91];
/// OnBehalfOfCompID, OnBehalfOfSubID
const HEADER_BELOW_122: [u32; 2] = [115, 116];

/// What `Writer::begin` and `finish` write.
fn is_made_anew(tag: u32) -> bool {
    matches!(
        tag,
        tags::BEGIN_STRING
            | tags::BODY_LENGTH
            | tags::MSG_TYPE
            | tags::MSG_SEQ_NUM
            | tags::POSS_DUP_FLAG
            | tags::SENDER_COMP_ID
            | tags::SENDING_TIME
            | tags::TARGET_COMP_ID
            | tags::POSS_RESEND
            | tags::ORIG_SENDING_TIME
            | tags::LAST_MSG_SEQ_NUM_PROCESSED
            | tags::CHECK_SUM
    )
}
