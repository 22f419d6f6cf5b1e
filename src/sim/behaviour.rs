//! What the simulated desk does with an order: a script per instrument, given as text.
//!
//! `SYM1=reject`, `SYM2=pending+partial:3:10ms`, `default=fill@95/reject@5`. Parts are joined by `+`: any number of modifiers
//! (`pending`, `delay:D`, `duplicate`, `disconnect`) and at most one action; alternatives are separated by `/`, each with a weight.
//! A duration is `250us`, `10ms`, `2s`, or a range `1ms..5ms` from which the seed draws. The script is chosen once, when the order
//! comes, and holds for it and for everything asked about it later.
//!
//! Owned by the desk book. Scripts are plain values; nothing here keeps time or sends anything.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

use crate::domain::Text;
use crate::domain::time::{NS_PER_MS, NS_PER_S};
use crate::limits::SIM_DESK_PIECES_MAX;
use crate::sim::random::Random;

/// Actions and modifiers, for help and for errors.
pub const BEHAVIOUR_HELP: &str = "accept, fill, partial:N[:D], reject, silence, unknown, late-fill[:D], too-late, cancel[:D], \
    expire[:D], done[:D], restate[:D], bust[:D], correct[:D]; modifiers pending, delay:D, duplicate, disconnect; joined by '+', \
    alternatives 'a@9/b@1'; D is 250us, 10ms, 2s or 1ms..5ms";

/// A time to wait, or a range from which the seed draws.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wait {
    /// Shortest.
    pub low_ns: u64,
    /// Longest.
    pub high_ns: u64,
}

impl Wait {
    /// One draw.
    pub fn draw(self, random: &mut Random) -> u64 {
        if self.low_ns == self.high_ns {
            return self.low_ns;
        }
        random.between(self.low_ns, self.high_ns)
    }
}

/// What becomes of the order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Action {
    /// Into the book, to be matched.
    #[default]
    Accept,
    /// Filled at once, past the book.
    Fill,
    /// Filled in pieces, one after each wait.
    Partial {
        /// How many.
        pieces: u32,
        /// Between them.
        every: Wait,
    },
    /// 150=8
    Reject,
    /// Taken and never answered, nor is anything asked about it.
    Silence,
    /// Lost inside the desk: the order is not answered, and questions about it are answered "unknown order".
    Unknown,
    /// Rests past the book; a cancel is confirmed, and a fill follows it.
    LateFill(Wait),
    /// Into the book; cancels and replaces of it are refused as too late.
    TooLate,
    /// Into the book; the desk cancels it by itself.
    CancelBack(Wait),
    /// Into the book; expires.
    Expire(Wait),
    /// Into the book; done for the day.
    DoneForDay(Wait),
    /// Into the book; the desk halves what is left of it.
    Restate(Wait),
    /// Filled at once; the trade is cancelled afterwards.
    TradeCancel(Wait),
    /// Filled at once; the trade is corrected afterwards to a price one hundredth lower.
    TradeCorrect(Wait),
}

/// What the desk does with one order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Script {
    /// 150=A, 150=6 and 150=E come before the answer proper.
    pub pending: bool,
    /// Requests are handled so much later than they come.
    pub delay: Wait,
    /// Every report goes out twice, with the same ExecID.
    pub duplicate: bool,
    /// The connection on which the order came is dropped before the answer.
    pub disconnect: bool,
    /// What becomes of it.
    pub action: Action,
}

/// A script or several with weights.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Behaviour {
    alternatives: Vec<(Script, u32)>,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            alternatives: vec![(Script::default(), 1)],
        }
    }
}

impl Behaviour {
    /// Draws only where there is something to choose, so that a plain desk's draws do not depend on its orders.
    pub fn choose(&self, random: &mut Random) -> Script {
        if let [(only, _)] = self.alternatives[..] {
            return only;
        }
        let sum = self.alternatives.iter().map(|&(_, w)| w as u64).sum();
        let mut at = random.below(sum);
        for &(script, weight) in &self.alternatives {
            if at < weight as u64 {
                return script;
            }
            at -= weight as u64;
        }
        Script::default()
    }
}

/// Behaviour per instrument.
#[derive(Clone, Debug, Default)]
pub struct Behaviours {
    default: Behaviour,
    by_symbol: HashMap<Text<23>, Behaviour>,
}

impl Behaviours {
    /// From `SYMBOL=text` and `default=text`; later ones win.
    pub fn parse(texts: &[String]) -> Result<Self, BehaviourError> {
        let mut table = Self::default();
        for text in texts {
            let (symbol, behaviour) = text
                .split_once('=')
                .ok_or_else(|| BehaviourError::new(text, "there is no '=' after the symbol"))?;
            table.set(symbol, behaviour.parse()?)?;
        }
        Ok(table)
    }

    /// Sets one; `default` is every instrument without its own.
    pub fn set(&mut self, symbol: &str, behaviour: Behaviour) -> Result<(), BehaviourError> {
        if symbol == "default" {
            self.default = behaviour;
            return Ok(());
        }
        let name = Text::new(symbol.as_bytes())
            .filter(|name| !name.is_empty())
            .ok_or_else(|| BehaviourError::new(symbol, "a symbol has 1 to 23 characters"))?;
        self.by_symbol.insert(name, behaviour);
        Ok(())
    }

    /// The script for an order that came now.
    pub fn choose(&self, symbol: &Text<23>, random: &mut Random) -> Script {
        self.by_symbol
            .get(symbol)
            .unwrap_or(&self.default)
            .choose(random)
    }
}

/// A behaviour that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BehaviourError {
    text: String,
    problem: &'static str,
}

impl BehaviourError {
    fn new(text: &str, problem: &'static str) -> Self {
        Self {
            text: text.to_owned(),
            problem,
        }
    }
}

impl fmt::Display for BehaviourError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "behaviour '{}': {}; known are {BEHAVIOUR_HELP}",
            self.text, self.problem
        )
    }
}

impl std::error::Error for BehaviourError {}

impl FromStr for Behaviour {
    type Err = BehaviourError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let alternatives = text
            .split('/')
            .map(|alternative| {
                let (script, weight) = match alternative.split_once('@') {
                    Some((script, weight)) => {
                        let weight = weight.parse().ok().filter(|&w: &u32| w > 0);
                        let problem = "a weight is a whole number above zero";
                        let weight = weight.ok_or_else(|| BehaviourError::new(text, problem))?;
                        (script, weight)
                    }
                    None => (alternative, 1),
                };
                Ok((parse_script(script)?, weight))
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { alternatives })
    }
}

fn parse_script(text: &str) -> Result<Script, BehaviourError> {
    let mut script = Script::default();
    let mut has_action = false;
    for part in text.split('+') {
        let error = |problem| BehaviourError::new(part, problem);
        let (name, rest) = match part.split_once(':') {
            Some((name, rest)) => (name, Some(rest)),
            None => (part, None),
        };
        let wait = || match rest {
            Some(rest) => parse_wait(rest).ok_or_else(|| error("a duration is wanted after ':'")),
            None => Ok(Wait::default()),
        };
        let action = match name {
            "delay" if rest.is_some() => {
                script.delay = wait()?;
                continue;
            }
            "delay" => return Err(error("a duration is wanted after ':'")),
            "late-fill" => Action::LateFill(wait()?),
            "cancel" => Action::CancelBack(wait()?),
            "expire" => Action::Expire(wait()?),
            "done" => Action::DoneForDay(wait()?),
            "restate" => Action::Restate(wait()?),
            "bust" => Action::TradeCancel(wait()?),
            "correct" => Action::TradeCorrect(wait()?),
            "partial" => {
                parse_partial(rest).ok_or_else(|| error("partial wants the number of pieces"))?
            }
            _ if rest.is_some() => return Err(error("unknown, or takes nothing after ':'")),
            "pending" => {
                script.pending = true;
                continue;
            }
            "duplicate" => {
                script.duplicate = true;
                continue;
            }
            "disconnect" => {
                script.disconnect = true;
                continue;
            }
            "accept" => Action::Accept,
            "fill" => Action::Fill,
            "reject" => Action::Reject,
            "silence" => Action::Silence,
            "unknown" => Action::Unknown,
            "too-late" => Action::TooLate,
            _ => return Err(error("unknown")),
        };
        if has_action {
            return Err(error("only one action may stand in a script"));
        }
        has_action = true;
        script.action = action;
    }
    Ok(script)
}

fn parse_partial(rest: Option<&str>) -> Option<Action> {
    let rest = rest?;
    let (pieces, every) = match rest.split_once(':') {
        Some((pieces, every)) => (pieces, parse_wait(every)?),
        None => (rest, Wait::default()),
    };
    let pieces: u32 = pieces.parse().ok()?;
    (1..=SIM_DESK_PIECES_MAX)
        .contains(&pieces)
        .then_some(Action::Partial { pieces, every })
}

fn parse_wait(text: &str) -> Option<Wait> {
    let (low, high) = text.split_once("..").unwrap_or((text, text));
    let wait = Wait {
        low_ns: parse_duration_ns(low)?,
        high_ns: parse_duration_ns(high)?,
    };
    (wait.low_ns <= wait.high_ns).then_some(wait)
}

/// `250us`, `10ms`, `2s`, `100ns`; a whole number and its unit, at most a day.
pub fn parse_duration_ns(text: &str) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let unit = match &text[digits..] {
        "ns" => 1,
        "us" => 1_000,
        "ms" => NS_PER_MS,
        "s" => NS_PER_S,
        _ => return None,
    };
    let duration: u64 = text[..digits].parse().ok()?;
    duration
        .checked_mul(unit)
        .filter(|&ns| ns <= crate::domain::time::S_PER_DAY * NS_PER_S)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> Script {
        let behaviour: Behaviour = text.parse().unwrap_or_else(|e| panic!("{e}"));
        behaviour.choose(&mut Random::new(0))
    }

    #[test]
    fn reads_what_the_help_promises() {
        let plain = Script::default();
        let ms = |n| Wait {
            low_ns: n * NS_PER_MS,
            high_ns: n * NS_PER_MS,
        };
        let action = |action| Script { action, ..plain };
        assert_eq!(one("accept"), plain);
        assert_eq!(one("reject"), action(Action::Reject));
        let partial = Action::Partial {
            pieces: 3,
            every: ms(10),
        };
        assert_eq!(one("partial:3:10ms"), action(partial));
        assert_eq!(one("late-fill:2ms"), action(Action::LateFill(ms(2))));
        assert_eq!(one("bust"), action(Action::TradeCancel(Wait::default())));
        let all = one("pending+duplicate+disconnect+delay:1ms..3ms+fill");
        assert!(all.pending && all.duplicate && all.disconnect && all.action == Action::Fill);
        let range = Wait {
            low_ns: NS_PER_MS,
            high_ns: 3 * NS_PER_MS,
        };
        assert_eq!(all.delay, range);
        let mut random = Random::new(3);
        assert!((0..100).all(|_| (NS_PER_MS..=3 * NS_PER_MS).contains(&range.draw(&mut random))));
    }

    #[test]
    fn refuses_the_rest_and_says_why() {
        for text in [
            "",
            "+",
            "sometimes",
            "fill+reject",
            "fill:3",
            "partial",
            "partial:0",
            "partial:x",
            "partial:3:10",
            "delay",
            "delay:5",
            "delay:5ms..1ms",
            "cancel:ever",
            "fill@0",
            "fill@",
            "fill/",
            "delay:99999999s",
        ] {
            let error = text.parse::<Behaviour>().err();
            assert!(
                error.is_some_and(|e| e.to_string().contains("known are")),
                "{text}"
            );
        }
        assert!(Behaviours::parse(&["SYM1".into()]).is_err());
        assert!(Behaviours::parse(&["=fill".into()]).is_err());
    }

    #[test]
    fn weights_hold_and_symbols_have_their_own() {
        let table = Behaviours::parse(&["default=fill@9/reject@1".into(), "A=silence".into()]);
        let table = table.unwrap();
        let mut random = Random::new(5);
        let other = Text::cut(b"B");
        let rejects = (0..10_000)
            .filter(|_| table.choose(&other, &mut random).action == Action::Reject)
            .count();
        assert!((800..1_200).contains(&rejects), "{rejects}");
        let own = table.choose(&Text::cut(b"A"), &mut random);
        assert_eq!(own.action, Action::Silence);
    }
}
