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

/// What is remembered of a visit: how many clicks, and the pages in their order.
type Visit = (i64, String);

/// As [`session`], with all pages instead of the first and the last. It goes on with what that one remembers.
#[rsrt::map_with_state(version = 2)]
fn visit(user: &str, page: Option<&str>, open: &mut State<Visit>) -> Option<(String, Visit)> {
    let so_far = open.get().cloned();
    let Some(page) = page else {
        return so_far.map(|visit| (user.to_owned(), visit)); // its time is up
    };
    let visit = match so_far {
        None => (1, page.to_owned()),
        Some((clicks, pages)) => (clicks + 1, format!("{pages} > {page}")),
    };
    if page == "logout" {
        open.remove();
        return Some((user.to_owned(), visit));
    }
    open.update(visit);
    None
}

/// A visit of what [`session`] remembers: pages in between are not known.
#[rsrt::migrate(function = visit, since = 1)]
fn visit_of_session((clicks, first, last): (i64, &str, &str)) -> Visit {
    match clicks {
        1 => (1, first.to_owned()),
        2 => (2, format!("{first} > {last}")),
        _ => (clicks, format!("{first} > ... > {last}")),
    }
}

rsrt::plugin! { session, visit, visit_of_session }

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
    fn a_visit_goes_on_where_a_session_was() {
        let so_far = visit_of_session((3, "home", "books"));
        assert_eq!(so_far, (3, "home > ... > books".to_owned()));
        assert_eq!(
            visit_of_session((1, "home", "home")),
            (1, "home".to_owned())
        );
        assert_eq!(visit_of_session((2, "a", "b")), (2, "a > b".to_owned()));
        let mut open = State::new(Some(so_far));
        assert_eq!(visit("ann", Some("basket"), &mut open), None);
        let ended = visit("ann", Some("logout"), &mut open);
        let pages = "home > ... > books > basket > logout".to_owned();
        assert_eq!(ended, Some(("ann".to_owned(), (5, pages))));
        assert!(!open.exists());
        let mut idle = State::timing_out_with((1, "home".to_owned()));
        let ended = visit("ann", None, &mut idle);
        assert_eq!(ended, Some(("ann".to_owned(), (1, "home".to_owned()))));
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
