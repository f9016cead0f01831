//! What logs and metrics call an exchange.

use std::borrow::Cow;
use std::fmt;
use std::sync::atomic::{AtomicU8, Ordering, fence};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

/// A name for an exchange that the application may set once, such as its route: logs, metrics and warnings show it.
///
/// Clones are the same label, so one set on an edited copy of a scope counts too. A text that lives as long as the program costs a few
/// instructions, any other an allocation.
///
/// # Examples
///
/// ```
/// use gateway_spec::Label;
///
/// let label = Label::default();
/// label.set("/user/{id}");
/// label.set("too late");
/// assert_eq!(label.get(), Some("/user/{id}"));
/// ```
#[derive(Clone, Default)]
pub struct Label {
    text: Arc<Text>,
    board: Option<LabelBoard>,
}

/// What was set. The state alone says whether anything was, so that it is forgotten by one store.
#[derive(Default)]
struct Text {
    /// [`UNSET`], [`FIXED`] or [`OWNED`]; changed under the lock of `fixed`, but for being forgotten.
    state: AtomicU8,
    /// Where its text lives as long as the program.
    fixed: Mutex<&'static str>,
    owned: OnceLock<Box<str>>,
}

const UNSET: u8 = 0;
const FIXED: u8 = 1;
const OWNED: u8 = 2;

impl Text {
    #[inline]
    fn set_fixed(&self, text: &'static str) {
        let mut fixed = lock(&self.fixed);
        if self.state.load(Ordering::Relaxed) == UNSET {
            *fixed = text;
            self.state.store(FIXED, Ordering::Release);
        }
    }

    fn set_owned(&self, text: String) {
        let fixed = lock(&self.fixed);
        // Nothing else was set before, and nothing will be.
        if self.state.load(Ordering::Relaxed) == UNSET && self.owned.set(text.into()).is_ok() {
            self.state.store(OWNED, Ordering::Release);
        }
        drop(fixed);
    }

    fn get(&self) -> Option<&str> {
        match self.state.load(Ordering::Acquire) {
            UNSET => None,
            FIXED => Some(*lock(&self.fixed)),
            _ => self.owned.get().map(|text| &**text),
        }
    }

    /// Forgets a text that need not be dropped; whether none is left. For who knows that nobody else can set one.
    #[inline]
    fn forget_fixed(&self) -> bool {
        match self.state.load(Ordering::Relaxed) {
            UNSET => true,
            FIXED => {
                self.state.store(UNSET, Ordering::Relaxed);
                true
            }
            _ => false,
        }
    }
}

impl Label {
    /// Sets the label; only the first call counts.
    #[inline]
    pub fn set(&self, text: impl Into<Cow<'static, str>>) {
        // The first one wins by design: the outermost router knows the whole route.
        match text.into() {
            Cow::Borrowed(text) => self.text.set_fixed(text),
            Cow::Owned(text) => self.text.set_owned(text),
        }
    }

    /// The label, if one was set.
    #[must_use]
    pub fn get(&self) -> Option<&str> {
        self.text.get()
    }

    #[inline]
    pub(super) fn clear(&mut self) {
        if !self.try_clear() {
            self.replace();
        }
    }

    /// Whether nobody has set it, and nobody else can.
    #[inline]
    pub(super) fn is_clear(&self) -> bool {
        self.is_alone() && self.text.state.load(Ordering::Relaxed) == UNSET
    }

    /// Clears it where it lies, if that can be done; whether it [is clear](Self::is_clear) now.
    #[inline]
    pub(super) fn try_clear(&self) -> bool {
        self.is_alone() && self.text.forget_fixed()
    }

    /// Whether nobody can set it but who has it here; what others did before is seen. The board only looks at it.
    #[inline]
    fn is_alone(&self) -> bool {
        let others = usize::from(self.board.is_some());
        let is_alone = Arc::strong_count(&self.text) == 1 + others;
        fence(Ordering::Acquire);
        is_alone
    }

    /// Makes it another label, which is shown in the place of this one.
    fn replace(&mut self) {
        if let Some(board) = &self.board {
            board.show(None);
        }
        match Arc::get_mut(&mut self.text) {
            Some(text) => *text = Text::default(),
            None => self.text = Arc::default(),
        }
        if let Some(board) = &self.board {
            board.show(Some(Arc::clone(&self.text)));
        }
    }
}

impl fmt::Debug for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Label").field(&self.get()).finish()
    }
}

/// Shows the label of one exchange after another to other threads: for a server that has to say what an application is
/// at while it holds the thread.
///
/// It looks at the label when it is asked, so it costs an exchange nothing. A label that outlives its own exchange does not stand for the
/// next one's (SRV-9), which has another.
///
/// # Examples
///
/// ```
/// use gateway_spec::LabelBoard;
///
/// let board = LabelBoard::default();
/// let label = board.label();
/// assert_eq!(board.get(), None);
/// label.set("/user/{id}");
/// assert_eq!(board.get().as_deref(), Some("/user/{id}"));
/// ```
#[derive(Clone, Default)]
pub struct LabelBoard {
    shown: Arc<Mutex<Option<Arc<Text>>>>,
}

impl LabelBoard {
    /// A label that is shown here, in place of the one before.
    #[must_use]
    pub fn label(&self) -> Label {
        let text = Arc::default();
        self.show(Some(Arc::clone(&text)));
        Label {
            text,
            board: Some(self.clone()),
        }
    }

    /// The label that was set last, if the exchange under way has one.
    #[must_use]
    pub fn get(&self) -> Option<String> {
        // Under the lock, so that the label has one more who holds it at no time.
        let shown = lock(&self.shown);
        shown.as_ref()?.get().map(str::to_owned)
    }

    /// Whether no label is shown here and none ever will be: there is neither another clone of the board, nor a label of it that could be set.
    ///
    /// # Examples
    ///
    /// ```
    /// use gateway_spec::LabelBoard;
    ///
    /// let board = LabelBoard::default();
    /// let label = board.label();
    /// assert!(!board.is_blank(), "the label may be set");
    /// drop(label);
    /// assert!(board.is_blank());
    /// ```
    #[must_use]
    pub fn is_blank(&self) -> bool {
        let is_alone = Arc::strong_count(&self.shown) == 1;
        // What a label has set before it was dropped is seen.
        fence(Ordering::Acquire);
        is_alone && self.get().is_none()
    }

    fn show(&self, text: Option<Arc<Text>>) {
        let before = std::mem::replace(&mut *lock(&self.shown), text);
        drop(before);
    }
}

impl fmt::Debug for LabelBoard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LabelBoard").field(&self.get()).finish()
    }
}

/// None of what is under these locks can be left halfway.
#[inline]
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is set, in both kinds of memory.
    fn texts(text: &'static str) -> [Cow<'static, str>; 2] {
        [text.into(), text.to_owned().into()]
    }

    #[test]
    fn the_first_text_counts_whatever_kind_it_is_of() {
        for first in texts("first") {
            for second in texts("second") {
                let label = Label::default();
                let same = label.clone();
                label.set(first.clone());
                same.set(second);
                assert_eq!((label.get(), same.get()), (Some("first"), Some("first")));
            }
        }
    }

    #[test]
    fn a_board_shows_the_label_of_the_exchange_under_way_alone() {
        for (first, second) in texts("first").into_iter().zip(texts("second")) {
            let board = LabelBoard::default();
            let mut label = board.label();
            label.set(first.clone());
            label.set("too late");
            assert_eq!(board.get().as_deref(), Some("first"));
            label.clear();
            assert_eq!((board.get(), label.get()), (None, None));
            // One that is kept beyond its exchange says nothing of the next.
            let kept = label.clone();
            label.clear();
            kept.set("of the one before");
            assert_eq!((board.get(), label.get()), (None, None));
            label.set(second.clone());
            assert_eq!(board.get().as_deref(), Some("second"));
            assert_eq!(kept.get(), Some("of the one before"));
            label.clear();
            assert_eq!((board.get(), label.get()), (None, None));
            label.set(second);
            assert_eq!(board.get().as_deref(), Some("second"), "again");
        }
    }

    #[test]
    fn what_lives_as_long_as_the_program_is_cleared_where_it_lies() {
        for mut label in [Label::default(), LabelBoard::default().label()] {
            let place = Arc::as_ptr(&label.text);
            label.set("fixed");
            assert!(!label.is_clear() && label.try_clear() && label.is_clear());
            label.set(String::from("owned"));
            assert!(!label.try_clear() && label.get() == Some("owned"));
            label.clear();
            assert!(label.is_clear() && Arc::as_ptr(&label.text) == place);
            let kept = label.clone();
            kept.set("kept");
            assert!(!label.try_clear() && label.get() == Some("kept"));
            drop(kept);
            assert!(label.try_clear());
        }
    }

    #[test]
    fn one_of_many_that_set_a_label_at_once_is_the_first() {
        for _ in 0..100 {
            let board = LabelBoard::default();
            let label = board.label();
            std::thread::scope(|scope| {
                for text in texts("one").into_iter().chain(texts("two")) {
                    let label = label.clone();
                    scope.spawn(move || {
                        label.set(text);
                        assert!(label.get().is_some(), "set by somebody");
                    });
                }
            });
            assert_eq!(board.get().as_deref(), label.get());
        }
    }
}
