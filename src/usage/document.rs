//! What one JSON document said, at the places that its format's tree names.

use super::model::ModelName;
use super::tree::{Count, Leaf, Node, Pick, RANKS, Rank};

/// One slot for each count at each rank, and marks on top.
const SLOTS: usize = 64;
const FIRST_MARK: u8 = 56;

/// The values of one document. Of a member that is named twice the last counts, with all that is below it, as for every
/// JSON library that the SDKs use.
#[derive(Clone)]
pub(super) struct Document {
    values: [u64; SLOTS],
    /// Which slots say something, a bit each.
    present: u64,
    models: [Option<ModelName>; 2],
    embedded: Option<Vec<u8>>,
    sum: Sum,
}

/// The sum over an array, with what to go back to when a member of an element turns out to be named twice.
#[derive(Clone, Copy, Default)]
struct Sum {
    now: u64,
    before_this_element: u64,
    present_before_this_element: u64,
}

impl Document {
    pub(super) const fn new() -> Self {
        Self {
            values: [0; SLOTS],
            present: 0,
            models: [None, None],
            embedded: None,
            sum: Sum {
                now: 0,
                before_this_element: 0,
                present_before_this_element: 0,
            },
        }
    }

    /// Another document begins.
    pub(super) fn clear(&mut self) {
        self.present = 0;
        self.models = [None, None];
        self.embedded = None;
        self.sum = Sum::default();
    }

    /// The count at the lowest rank of those asked for.
    pub(super) fn count(&self, of: Count, ranks: std::ops::Range<Rank>) -> Option<u64> {
        ranks
            .map(|rank| slot(of, rank))
            .find(|slot| self.present & bit(*slot) != 0)
            .and_then(|slot| self.values.get(usize::from(slot)).copied())
    }

    pub(super) fn has_mark(&self) -> bool {
        self.present >> FIRST_MARK != 0
    }

    pub(super) fn model(&self) -> Option<&ModelName> {
        self.models.iter().flatten().next()
    }

    /// Base64 that holds another document.
    pub(super) fn embedded(&self) -> Option<&[u8]> {
        self.embedded.as_deref()
    }

    pub(super) fn set_count(&mut self, of: Count, rank: Rank, value: u64, in_element: bool) {
        let slot = slot(of, rank);
        let mut value = value;
        if in_element {
            value = self.sum.before_this_element.saturating_add(value);
            self.sum.now = value;
        }
        if let Some(place) = self.values.get_mut(usize::from(slot)) {
            *place = value;
            self.present |= bit(slot);
        }
    }

    pub(super) fn set_mark(&mut self, rank: Rank) {
        self.present |= bit(FIRST_MARK.saturating_add(rank));
    }

    pub(super) fn set_model(&mut self, rank: Rank, name: Option<ModelName>) {
        if let Some(place) = self.models.get_mut(usize::from(rank)) {
            *place = name;
        }
    }

    pub(super) fn set_embedded(&mut self, text: &[u8]) {
        self.embedded = Some(text.to_vec());
    }

    /// An element of an array begins whose counts are added up.
    pub(super) fn begin_element(&mut self) {
        self.sum.before_this_element = self.sum.now;
        self.sum.present_before_this_element = self.present;
    }

    /// A member is named: what an earlier one of that name said is void. `in_element`: what the elements before said
    /// stays.
    pub(super) fn forget(&mut self, node: &Node, in_element: bool) {
        match node.leaf {
            Leaf::Nothing => {}
            Leaf::Count(of, rank) => self.forget_slot(slot(of, rank), in_element),
            Leaf::OneOf(_, rank) | Leaf::Text(rank) | Leaf::True(rank) | Leaf::EmptyArray(rank) => {
                self.forget_slot(FIRST_MARK.saturating_add(rank), in_element);
            }
            Leaf::Model(rank) => self.set_model(rank, None),
            Leaf::Embedded => self.embedded = None,
        }
        for (_, below) in node.members {
            self.forget(below, in_element);
        }
        if let Some((pick, below)) = node.elements {
            if pick == Pick::Each {
                self.sum = Sum::default();
            }
            self.forget(below, in_element);
        }
    }

    fn forget_slot(&mut self, slot: u8, in_element: bool) {
        let earlier = if in_element {
            self.sum.present_before_this_element & bit(slot)
        } else {
            0
        };
        self.present = self.present & !bit(slot) | earlier;
        if in_element && slot < FIRST_MARK {
            self.sum.now = self.sum.before_this_element;
            if let Some(place) = self.values.get_mut(usize::from(slot)) {
                *place = self.sum.before_this_element;
            }
        }
    }
}

fn slot(of: Count, rank: Rank) -> u8 {
    (of as u8).saturating_mul(RANKS).saturating_add(rank)
}

/// A rank that no table has makes no bit.
fn bit(slot: u8) -> u64 {
    1_u64.checked_shl(u32::from(slot)).unwrap_or(0)
}
