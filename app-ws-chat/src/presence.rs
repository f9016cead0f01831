//! Who is in a room, under which nickname, and how that is told.
//!
//! A user is here once, however many connections (tabs, devices) they have. Small rooms are told
//! names; in crowded ones a list of names would grow with the square of its members, so only the
//! number is told, and only when it has changed notably.

use std::collections::{BTreeSet, HashMap};

use serde::Serialize;

use crate::message::{Person, Present, Rank};
use crate::name::{Nick, UserId};

/// With more users than this a room is crowded: the list no longer helps a reader, and at 60 bytes
/// a name it stays below 16 KiB.
const CROWDED_ABOVE: usize = 200;

/// With no more users than this a crowded room is told by names again. Lower than the way in, so
/// that a room at the border does not send whole lists to and fro.
const NAMED_FROM: usize = 150;

/// Who is in a room, or what changed.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Presence {
    /// How many users are here.
    pub count: usize,
    /// Who they are, or who came or went; none in a crowded room.
    #[serde(flatten)]
    pub change: Option<Change>,
}

/// What changed about who is here.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    /// Everybody who is here; it replaces what was known.
    Full(Vec<Present>),
    /// Somebody came.
    Join(Present),
    /// Somebody left.
    Leave(Person),
}

/// The users in a room.
#[derive(Debug, Default)]
pub(crate) struct People {
    users: HashMap<UserId, Here>,
    /// Folded nicknames, in the order in which a list shows them. One may be two users' for a moment: somebody has it by
    /// news that have overtaken those of the leaving of the other.
    nicks: BTreeSet<(Box<str>, UserId)>,
    telling: Telling,
}

#[derive(Debug, Eq, PartialEq)]
struct Here {
    nick: Nick,
    rank: Rank,
}

/// How the room's members are told about each other.
#[derive(Debug, Default)]
enum Telling {
    #[default]
    Names,
    Number {
        last: usize,
    },
}

impl People {
    /// Somebody is here, under this nickname; what the others hear of it, if it is news.
    pub(crate) fn arrive(&mut self, present: &Present) -> Option<Presence> {
        if !self.put(present) {
            return None;
        }
        self.tell(Change::Join(present.clone()))
    }

    /// Somebody is here no longer.
    pub(crate) fn depart(&mut self, user: UserId) -> Option<Presence> {
        let nick = self.users.remove(&user)?.nick;
        self.nicks.remove(&(nick.folded(), user));
        self.tell(Change::Leave(Person { user, nick }))
    }

    /// These are here and nobody else; what the others hear of it, if it is news.
    pub(crate) fn replace(&mut self, present: &[Present]) -> Option<Presence> {
        let before = std::mem::take(self);
        for one in present {
            self.put(one);
        }
        let same = before.users == self.users;
        self.telling = match self.users.len() {
            last if last > CROWDED_ABOVE => Telling::Number { last },
            _ => Telling::Names,
        };
        (!same).then(|| self.snapshot())
    }

    /// What a newcomer is told.
    pub(crate) fn snapshot(&self) -> Presence {
        let change = match self.telling {
            Telling::Names => Some(Change::Full(self.list())),
            Telling::Number { .. } => None,
        };
        Presence {
            count: self.users.len(),
            change,
        }
    }

    pub(crate) fn find(&self, user: UserId) -> Option<Present> {
        self.users.get(&user).map(|here| Present {
            person: Person {
                user,
                nick: here.nick.clone(),
            },
            rank: here.rank,
        })
    }

    /// The nickname that somebody new gets: the one wished for, or the lowest free number behind it.
    pub(crate) fn free(&self, wish: &Nick) -> Nick {
        let is_free = |nick: &Nick| {
            let folded = nick.folded();
            let mut from = self.nicks.range((folded.clone(), UserId::LEAST)..);
            from.next().is_none_or(|(taken, _)| *taken != folded)
        };
        let numbered = (2..).map(|number| wish.numbered(number));
        let mut wishes = std::iter::once(wish.clone()).chain(numbered);
        wishes
            .find(is_free)
            .expect("a room has fewer users than there are numbers")
    }

    /// Everybody, in the order of nicknames.
    pub(crate) fn list(&self) -> Vec<Present> {
        self.nicks
            .iter()
            .filter_map(|&(_, user)| self.find(user))
            .collect()
    }

    pub(crate) fn count(&self) -> usize {
        self.users.len()
    }

    /// Whether that was news.
    fn put(&mut self, present: &Present) -> bool {
        let Present {
            person: Person { user, nick },
            rank,
        } = present;
        let here = Here {
            nick: nick.clone(),
            rank: *rank,
        };
        let before = self.users.insert(*user, here);
        if let Some(before) = &before {
            self.nicks.remove(&(before.nick.folded(), *user));
        }
        self.nicks.insert((nick.folded(), *user));
        before.is_none_or(|before| before.nick != *nick || before.rank != *rank)
    }

    /// Decides what the others hear of `change`.
    fn tell(&mut self, change: Change) -> Option<Presence> {
        let count = self.users.len();
        match self.telling {
            Telling::Names if count <= CROWDED_ABOVE => Some(Presence {
                count,
                change: Some(change),
            }),
            Telling::Number { .. } if count <= NAMED_FROM => {
                self.telling = Telling::Names;
                Some(self.snapshot())
            }
            // A twentieth: filling a room with n users then costs its members about 20 ln(n)
            // frames each instead of n.
            Telling::Number { last } if count.abs_diff(last) * 20 < last => None,
            Telling::Names | Telling::Number { .. } => {
                self.telling = Telling::Number { last: count };
                Some(Presence {
                    count,
                    change: None,
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{CROWDED_ABOVE, Change, NAMED_FROM, People, Presence};
    use crate::message::{Person, Present, Rank};
    use crate::name::{Nick, UserId};

    fn user(number: u64) -> UserId {
        UserId::passing(number)
    }

    fn present(number: u64, nick: &str, rank: Rank) -> Present {
        let person = Person {
            user: user(number),
            nick: Nick::parse(nick).unwrap(),
        };
        Present { person, rank }
    }

    fn enter(people: &mut People, number: u64, wish: &str) -> (String, Option<Presence>) {
        let nick = people.free(&Nick::parse(wish).unwrap());
        let told = people.arrive(&present(number, nick.as_str(), Rank::Guest));
        (nick.as_str().to_owned(), told)
    }

    #[test]
    fn the_same_nickname_of_another_user_gets_the_lowest_free_number() {
        let mut people = People::default();
        let mut check = |number, wish, expected| {
            assert_eq!(enter(&mut people, number, wish).0, expected);
        };
        check(1, "Ada", "Ada");
        check(2, "ada", "ada (2)");
        check(3, "ADA", "ADA (3)");
        check(4, "Ada (2)", "Ada (2) (2)");
        people.depart(user(2));
        assert_eq!(enter(&mut people, 5, "Ada").0, "Ada (2)");
    }

    #[test]
    fn what_is_known_is_no_news() {
        let mut people = People::default();
        let ada = present(1, "Ada", Rank::Guest);
        let moderator = present(1, "Ada", Rank::Moderator);
        let told = |who: &Present| {
            Some(Presence {
                count: 1,
                change: Some(Change::Join(who.clone())),
            })
        };
        assert_eq!(people.arrive(&ada), told(&ada));
        assert_eq!(people.arrive(&ada), None);
        assert_eq!(people.arrive(&moderator), told(&moderator));
        assert_eq!(people.replace(std::slice::from_ref(&moderator)), None);
        let bea = present(2, "Bea", Rank::Guest);
        let both = [moderator, bea];
        let full = people.replace(&both).expect("Bea is new").change;
        assert_eq!(full, Some(Change::Full(both.to_vec())));
        let left = people.depart(user(1)).expect("Ada was there");
        assert_eq!(left.change, Some(Change::Leave(ada.person)));
        assert_eq!(people.depart(user(1)), None, "nobody is left to leave");
    }

    #[test]
    fn a_list_is_in_the_order_of_nicknames() {
        let mut people = People::default();
        for (number, nick) in [(1, "Cy"), (2, "ada"), (3, "Bea")] {
            enter(&mut people, number, nick);
        }
        let list = people.list();
        let nicks: Vec<_> = list.iter().map(|one| one.person.nick.as_str()).collect();
        assert_eq!(nicks, ["ada", "Bea", "Cy"]);
    }

    #[test]
    fn who_has_a_nickname_before_the_other_has_left_is_in_the_list_and_so_is_the_other() {
        let mut people = People::default();
        let news = [(1, "Ada"), (2, "ada"), (2, "Bea"), (1, "Bea")];
        for (number, nick) in news {
            people.arrive(&present(number, nick, Rank::Guest));
            let Presence { count, change } = people.snapshot();
            let Some(Change::Full(list)) = change else {
                panic!("no list of {count}")
            };
            assert_eq!(list.len(), count, "{number} {nick}");
        }
        people.depart(user(2));
        assert_eq!(people.list(), [present(1, "Bea", Rank::Guest)]);
        assert_eq!(people.free(&Nick::parse("Ada").unwrap()).as_str(), "Ada");
    }

    #[test]
    fn another_nickname_is_news_also_in_a_list() {
        let mut people = People::default();
        people.arrive(&present(1, "Ada", Rank::Guest));
        let renamed = [present(1, "Bea", Rank::Guest)];
        let told = people.replace(&renamed).expect("it is news").change;
        assert_eq!(told, Some(Change::Full(renamed.to_vec())));
    }

    #[test]
    fn a_crowd_is_told_as_a_number_and_seldom() {
        let mut people = People::default();
        let mut told = Vec::new();
        for number in 0..1000 {
            told.extend(enter(&mut people, number, &format!("n{number}")).1);
        }
        let (named, crowded) = told.split_at(CROWDED_ABOVE);
        assert!(named.iter().all(|presence| presence.change.is_some()));
        let numbers: Vec<_> = crowded.iter().map(|presence| presence.count).collect();
        assert_eq!(numbers[..3], [201, 212, 223]);
        assert!(
            numbers.len() < 40,
            "{} frames to fill a room",
            numbers.len()
        );
        assert!(crowded.iter().all(|presence| presence.change.is_none()));
        assert_eq!(
            people.snapshot(),
            Presence {
                count: 1000,
                change: None
            }
        );

        let told: Vec<_> = (0..1000 - NAMED_FROM)
            .filter_map(|n| people.depart(user(n as u64)))
            .collect();
        let (last, before) = told.split_last().expect("somebody was told");
        assert!(before.iter().all(|presence| presence.change.is_none()));
        let Some(Change::Full(list)) = &last.change else {
            panic!("no list at the end")
        };
        assert_eq!((last.count, list.len()), (NAMED_FROM, NAMED_FROM));
    }
}
