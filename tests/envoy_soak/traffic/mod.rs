//! The requests of the soak: a table of kinds, each of which makes one request after the other and knows what must become
//! of it. To add a kind, add a line to the table of its room.

mod good;
mod hostile;
mod shapes;

use std::sync::{Arc, Mutex};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::gate::Keys;
use crate::ledger::Ledger;
use crate::oracle::{Admission, Rule, Verdict};
use crate::shot::{Manner, Payload, Shot};
use crate::tokens::{self, Pool, Signed};
use crate::world::{Generation, World};

/// Which clients can send a request of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carriage {
    /// All.
    Any,
    /// Those that speak HTTP/1.1.
    Http1,
    /// One on a connection of its own, with time to spare.
    Alone,
}

/// One kind of request.
pub struct Kind {
    pub name: &'static str,
    pub is_good: bool,
    /// How often it comes, beside the others.
    pub weight: u32,
    pub carriage: Carriage,
    pub make: fn(&mut Maker) -> Shot,
}

/// All kinds. A request's kind is its place in here.
pub fn kinds() -> Vec<Kind> {
    let mut kinds = good::kinds();
    kinds.extend(hostile::kinds());
    kinds.extend(shapes::kinds());
    kinds
}

/// What the requests of all clients are made of.
pub struct Stock {
    pub kinds: Vec<Kind>,
    pub keys: Keys,
    pub pool: Pool,
    pub world: Arc<World>,
    pub ledger: Arc<Ledger>,
    /// The tokens of the generation that was asked for last, which takes a while to sign.
    rotating: Mutex<Vec<(Generation, Arc<Vec<Signed>>)>>,
}

impl Stock {
    pub fn new(kinds: Vec<Kind>, keys: Keys, world: Arc<World>, ledger: Arc<Ledger>) -> Self {
        Self {
            kinds,
            keys,
            pool: Pool::new(),
            world,
            ledger,
            rotating: Mutex::default(),
        }
    }

    fn rotating(&self, generation: Generation) -> Arc<Vec<Signed>> {
        let mut rotating = self.rotating.lock().expect("the tokens");
        if let Some((_, tokens)) = rotating.iter().find(|(known, _)| *known == generation) {
            return Arc::clone(tokens);
        }
        let tokens = Arc::new(tokens::rotating(generation));
        rotating.push((generation, Arc::clone(&tokens)));
        // The one before, this one, the next one.
        let old = rotating.len().saturating_sub(3);
        rotating.drain(..old);
        tokens
    }
}

/// Makes the requests of one client: the same ones for the same seed, as far as the time allows.
pub struct Maker {
    pub stock: Arc<Stock>,
    pub random: StdRng,
    /// The number of the request that is made.
    pub id: u64,
}

impl Maker {
    pub fn new(stock: Arc<Stock>, seed: u64, client: u64) -> Self {
        // Clients of neighbouring seeds must not be the same.
        let mixed = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ client;
        Self {
            stock,
            random: StdRng::seed_from_u64(mixed),
            id: 0,
        }
    }

    /// The next request, of a kind that this carriage does for.
    pub fn next(&mut self, carriages: &[Carriage]) -> (usize, Shot) {
        let stock = Arc::clone(&self.stock);
        let fits = |kind: &&Kind| carriages.contains(&kind.carriage);
        let total: u32 = stock
            .kinds
            .iter()
            .filter(fits)
            .map(|kind| kind.weight)
            .sum();
        let mut left = self.random.random_range(0..total);
        let numbered = stock.kinds.iter().enumerate();
        for (place, kind) in numbered.filter(|(_, kind)| fits(kind)) {
            if left < kind.weight {
                self.id = stock.ledger.number();
                return (place, (kind.make)(self));
            }
            left -= kind.weight;
        }
        unreachable!("the weights have a sum")
    }

    /// One of these.
    fn one_of<T: Clone>(&mut self, choices: &[T]) -> T {
        choices[self.random.random_range(0..choices.len())].clone()
    }

    /// A number below that.
    fn below(&mut self, end: usize) -> usize {
        self.random.random_range(0..end)
    }

    fn chance(&mut self, one_in: u32) -> bool {
        self.random.random_ratio(1, one_in)
    }

    /// A key that stays, and whom it stands for.
    fn steady(&mut self) -> (String, Admission) {
        let number = self.random.random_range(0..self.stock.keys.steady.len());
        let admission = Admission {
            user: (number % 2 == 1).then(|| format!("user-{number}")),
            ..Admission::of(&format!("steady-{number}"))
        };
        (self.stock.keys.steady[number].clone(), admission)
    }

    /// A GET of that with a key that stays.
    fn with_steady_key(&mut self, target: &str) -> Shot {
        let (key, admission) = self.steady();
        Shot::get(self.id, target, Verdict::Admit(admission)).bearer(&key)
    }

    /// A chat completion asked for by whoever this admits.
    fn chat(&mut self, model: &str) -> Vec<u8> {
        let length = self.random.random_range(1..400);
        let text = "word ".repeat(length / 5 + 1);
        format!(r#"{{"model":"{model}","messages":[{{"role":"user","content":"{text}"}}]}}"#)
            .into_bytes()
    }

    /// A token that was sent before, or never.
    fn token(&mut self) -> Signed {
        if self.chance(3) {
            return tokens::fresh(self.id);
        }
        let stock = Arc::clone(&self.stock);
        stock.pool.good(&mut self.random).clone()
    }
}

/// Whom a token stands for, on an endpoint that forwards it.
fn bearer_of(token: &Signed) -> Admission {
    Admission {
        user: Some(token.user.clone()),
        credential: crate::oracle::Credential::Own(token.text.clone()),
        ..Admission::of(&token.tenant)
    }
}

/// The same by chunks, or as it is.
fn maybe_chunked(mut shot: Shot, chunked: bool) -> Shot {
    if let (true, Payload::Sized(body)) = (chunked, &mut shot.payload) {
        shot.payload = Payload::Chunked(std::mem::take(body));
    }
    shot
}

/// Whether another one can be sent right behind it: nothing but a head, nothing odd about how, and an answer of the
/// upstream's, for behind one of its own Envoy may close the connection.
pub fn can_be_followed(shot: &Shot) -> bool {
    let is_admitted = matches!(shot.rule, Rule::Always(Verdict::Admit(_)));
    is_admitted && can_follow(shot)
}

/// Whether it can be sent right behind another one.
pub fn can_follow(shot: &Shot) -> bool {
    shot.raw.is_none() && shot.manner == Manner::Plain && shot.payload == Payload::None
}
