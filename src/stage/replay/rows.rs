//! How much a replay holds, table by table: what must not grow with days, and must be the same in whichever order logs are fed.
//!
//! Cold and pure; for who compares replays.

use super::Replay;

impl Replay {
    /// Rows of each table, with its name. Of those that wait for a counterpart in another log (`awaited`) none is left when all of the
    /// logs was fed, but of what is lost.
    pub fn rows(&self) -> [(&'static str, usize); 10] {
        let [clients, links] = [&self.clients, &self.links].map(|it| it.rows());
        let awaited = self.closed.len() + self.refusals_known.len() + clients[0] + links[0];
        [
            ("awaited", awaited),
            ("open", self.open.len()),
            ("unwritten", self.unwritten.len()),
            ("in doubt unwritten", self.doubted.len() + self.spoken.len()),
            ("in flight", self.in_flight.len()),
            ("doubts", self.doubts.len()),
            ("refusals", self.refusals.len()),
            ("refusals by number", self.rejections.len()),
            ("copies", self.copies.len()),
            ("early", clients[1] + links[1]),
        ]
    }
}
