//! Going on where an earlier process ended: numbers, what can be sent again, what was not answered.
//!
//! Part of the switchboard, before its first duty cycle. The log of the new process begins with what it goes on with, so that each log
//! tells where its numbers come from; only behind these records may anything else stand. What was not answered is recorded again
//! and given to the application before anything is read from a socket.

use super::application::Application;
use super::event_record;
use super::inbound::{Handed, verdict};
use super::recovered::{Recovered, Unanswered};
use super::switchboard::{Incoming, Switchboard};
use crate::domain::Now;
use crate::io::Sockets;
use crate::journal::{Cause, RecordKind};
use crate::limits::FRAME_BYTES_MAX;
use crate::session::Hours;
use crate::wire::fix;

/// The log's memory is too small for what a process goes on with.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the log's memory has no room for what the sessions go on with")]
pub struct NoRoom;

/// A message that waits to be given to the application again.
pub(super) struct Waiting {
    peer: usize,
    position: u64,
}

impl<S: Sockets> Switchboard<S> {
    /// Goes on with what was recovered; `names` are the peers', as they stand in the log. To be called once, before anything else is done
    /// with the switchboard. Peers that were not there before begin at 1.
    pub fn resume(
        mut self,
        now: Now,
        mut recovered: Recovered,
        names: &[String],
    ) -> Result<Self, NoRoom> {
        assert_eq!(names.len(), self.peers.len());
        let mut unanswered: Vec<(usize, Unanswered)> = Vec::new();
        for (at, name) in names.iter().enumerate() {
            let peer = &mut self.peers[at];
            let Some(before) = recovered.peers.remove(name) else {
                continue;
            };
            self.actions.clear();
            let (next_in, next_out) = (before.next_in, before.next_out);
            peer.session
                .set_numbers(next_in, next_out, &mut self.actions);
            self.actions.clear();
            peer.sent.resume(&before.sent);
            if let Some(place) = peer.sent.newest() {
                self.log.link_back(peer.channel, place);
            }
            unanswered.extend(before.unanswered.into_iter().map(|message| (at, message)));
            peer.hours = Hours::new(peer.fix().schedule.clone(), Some(before.began_wall_ns));
            debug_assert_eq!(peer.sent.next(), next_out);
            let began = event_record::of_beginning(before.began, before.began_wall_ns);
            let resumed = event_record::of_resumption(next_in, next_out);
            peer.enabled = !before.is_disabled;
            let disabled = (before.is_disabled).then(event_record::of_still_disabled);
            for body in [began, resumed].into_iter().chain(disabled) {
                let (kind, cause) = (RecordKind::Connection, Cause::default());
                self.log
                    .append(kind, at as u16, cause, now.wall_ns, &body)
                    .ok_or(NoRoom)?;
            }
        }
        self.hours_unseen = Some(0);
        // In the order in which they came, over all sessions.
        unanswered.sort_by_key(|(_, message)| message.sequence);
        for (at, before) in unanswered {
            let cause = Cause {
                log: self.log.id(),
                sequence: before.sequence,
                output: before.epoch,
            };
            let carried = self.log.append(
                RecordKind::Carried,
                at as u16,
                cause,
                now.wall_ns,
                &before.message,
            );
            self.unanswered.push_back(Waiting {
                peer: at,
                position: carried.ok_or(NoRoom)?.position,
            });
        }
        Ok(self)
    }

    /// Gives the application what was not answered, as far as there is room; returns how many.
    #[cold]
    pub(super) fn take_up<A: Application>(&mut self, now: Now, application: &mut A) -> usize {
        let mut done = 0;
        while let Some(&Waiting { peer: at, position }) = self.unanswered.front() {
            if !application.has_room() || !self.log.has_room_for(4, FRAME_BYTES_MAX) {
                break;
            }
            self.unanswered.pop_front();
            done += 1;
            let Self {
                log,
                peers,
                scratch,
                actions,
                ..
            } = self;
            actions.clear();
            let Some(record) = log.read_back(position) else {
                continue;
            };
            let Ok(message) = fix::parse(record.body, scratch) else {
                continue;
            };
            let sequence = record.sequence;
            self.incoming = Some(Incoming { position, sequence });
            let answer = application.on_unanswered(at, now, sequence, &message);
            let handed: Handed = verdict(answer, &message, &mut peers[at], actions);
            self.conclude(at, now, handed, application);
        }
        done
    }
}
