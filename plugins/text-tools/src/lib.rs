//! Lines of text: trim, match, cut, parse, compare.

mod keyed;
mod lines;
mod partitions;
mod reading;

rsrt::plugin! {
    lines::uppercase, lines::trim, lines::matching, lines::cut, lines::Announce,
    reading::reading,
    partitions::Runs, partitions::Without, partitions::NotFrom,
    keyed::longest, keyed::sum_and_count, keyed::add_sums, keyed::mean, keyed::changes,
    keyed::quiet,
}
