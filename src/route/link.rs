//! Links as the choice sees them.
//!
//! A link's own state is derived from its session and connection; only what cannot be derived is kept here.

use crate::domain::DeskIndex;

/// One link.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Link {
    /// Whose.
    pub desk: DeskIndex,
    /// Most requests that may be unanswered on it.
    pub window: u32,
    /// Logged on and in sequence.
    pub ready: bool,
    /// Requests on it are unanswered for too long: new ones go elsewhere while there is an elsewhere.
    pub suspect: bool,
    /// An operator wants no new requests on it.
    pub draining: bool,
    /// Requests unanswered in the present connection.
    pub in_flight: u32,
    /// Requests unanswered in earlier connections: to be reported in doubt.
    pub stale: u32,
    /// Rises with each connection.
    pub incarnation: u32,
}

impl Link {
    /// Not connected.
    pub fn new(desk: DeskIndex, window: u32) -> Self {
        Self {
            desk,
            window,
            ready: false,
            suspect: false,
            draining: false,
            in_flight: 0,
            stale: 0,
            incarnation: 0,
        }
    }

    /// The connection is gone: what was unanswered on it is stale.
    pub fn lost(&mut self) {
        self.ready = false;
        self.suspect = false;
        self.stale += self.in_flight;
        self.in_flight = 0;
        self.incarnation += 1;
    }

    /// A request of this incarnation was answered or given up.
    pub fn settled(&mut self, incarnation: u32) {
        if incarnation == self.incarnation {
            self.in_flight -= 1;
        } else {
            self.stale -= 1;
        }
    }
}

/// What can be done with a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Choice {
    /// This link carries it.
    Link(usize),
    /// Links of the desk are ready, and each has as many unanswered requests as it may.
    Full,
    /// No link of the desk is ready.
    Nothing,
}

/// The link that carries the next request to `desk`: the first in order that is ready and has room in its window; a suspect
/// one only where there is no other. Cancels and replaces may use any link of the desk, since all serve the same book; but not while
/// the request that they name is unanswered on link `behind` and that is ready: on another one they could be there first. Only a
/// cancel goes another way where that link is full and suspect: it may never have room again.
pub fn choose(links: &[Link], desk: DeskIndex, is_cancel: bool, behind: Option<usize>) -> Choice {
    if let Some(at) = behind.filter(|&at| links[at].desk == desk && links[at].ready) {
        if links[at].in_flight < links[at].window {
            return Choice::Link(at);
        }
        if !(is_cancel && links[at].suspect) {
            return Choice::Full;
        }
    }
    let ready = |link: &Link| link.desk == desk && link.ready && (is_cancel || !link.draining);
    let usable = |link: &Link| ready(link) && link.in_flight < link.window;
    let found = links
        .iter()
        .position(|link| usable(link) && !link.suspect)
        .or_else(|| links.iter().position(usable));
    match found {
        Some(at) => Choice::Link(at),
        None if links.iter().any(ready) => Choice::Full,
        None => Choice::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_ready_link_of_the_desk() {
        let desk = DeskIndex(1);
        let mut links = [
            Link::new(DeskIndex(0), 1),
            Link::new(desk, 1),
            Link::new(desk, 1),
        ];
        assert_eq!(choose(&links, desk, false, None), Choice::Nothing);
        links.iter_mut().for_each(|link| link.ready = true);
        assert_eq!(choose(&links, desk, false, None), Choice::Link(1));
        links[1].suspect = true;
        assert_eq!(choose(&links, desk, false, None), Choice::Link(2));
        links[2].in_flight = 1;
        assert_eq!(
            choose(&links, desk, false, None),
            Choice::Link(1),
            "a suspect link is better than none"
        );
        links[1].draining = true;
        assert_eq!(choose(&links, desk, false, None), Choice::Full);
        assert_eq!(
            choose(&links, desk, true, None),
            Choice::Link(1),
            "cancels pass a draining link"
        );
        links[1].in_flight = 1;
        assert_eq!(choose(&links, desk, true, None), Choice::Full);
    }

    #[test]
    fn what_names_an_unanswered_request_goes_the_same_way_while_that_is_open() {
        let desk = DeskIndex(0);
        let mut links = [Link::new(desk, 2), Link::new(desk, 2)];
        links.iter_mut().for_each(|link| link.ready = true);
        assert_eq!(choose(&links, desk, true, Some(1)), Choice::Link(1));
        (links[1].suspect, links[1].draining) = (true, true);
        assert_eq!(choose(&links, desk, false, Some(1)), Choice::Link(1));
        links[1].in_flight = 2;
        assert_eq!(choose(&links, desk, false, Some(1)), Choice::Full);
        assert_eq!(
            choose(&links, desk, true, Some(1)),
            Choice::Link(0),
            "a suspect link that is full may never take it"
        );
        links[1].suspect = false;
        assert_eq!(choose(&links, desk, true, Some(1)), Choice::Full);
        links[1].ready = false;
        assert_eq!(choose(&links, desk, true, Some(1)), Choice::Link(0));
    }

    #[test]
    fn what_was_unanswered_becomes_stale() {
        let mut link = Link::new(DeskIndex(0), 9);
        link.in_flight = 2;
        link.lost();
        assert_eq!((link.in_flight, link.stale, link.incarnation), (0, 2, 1));
        link.in_flight = 1;
        link.settled(0);
        link.settled(1);
        assert_eq!((link.in_flight, link.stale), (0, 1));
    }
}
