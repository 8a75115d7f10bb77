//! Brings what belongs together in time into sessions.

use rsrt::prelude::*;

/// What is remembered of a session that is still open: how many clicks, the first page, the last.
type Open = (i64, String, String);

/// A user's clicks as one session (user, (clicks, first page, last page)), put out when no click
/// came for the operator's `timeout`. The page `logout` ends it at once.
#[rsrt::map_with_state]
fn session(user: &str, page: Option<&str>, open: &mut State<Open>) -> Option<(String, Open)> {
    let so_far = open.get().cloned();
    let Some(page) = page else {
        return so_far.map(|session| (user.to_owned(), session)); // its time is up
    };
    let (clicks, first) = so_far.map_or((0, page.to_owned()), |(clicks, first, _)| (clicks, first));
    let session = (clicks + 1, first, page.to_owned());
    if page == "logout" {
        open.remove();
        return Some((user.to_owned(), session));
    }
    open.update(session);
    None
}

rsrt::plugin! { session }

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clicks_gather_until_the_time_is_up() {
        let mut open = State::new(None);
        for page in ["home", "books"] {
            assert_eq!(session("ann", Some(page), &mut open), None);
        }
        let so_far = (2, "home".to_owned(), "books".to_owned());
        assert_eq!(open.get(), Some(&so_far));
        let mut idle = State::timing_out_with(so_far.clone());
        assert_eq!(
            session("ann", None, &mut idle),
            Some(("ann".to_owned(), so_far))
        );
    }

    #[test]
    fn a_logout_ends_a_session_at_once() {
        let mut open = State::new(None);
        session("bob", Some("home"), &mut open);
        let ended = session("bob", Some("logout"), &mut open);
        let expected = (2, "home".to_owned(), "logout".to_owned());
        assert_eq!(ended, Some(("bob".to_owned(), expected)));
        assert!(!open.exists());
    }
}
