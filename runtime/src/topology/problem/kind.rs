//! Everything that can be wrong with a topology.

use std::time::Duration;

use miette::Diagnostic;

use crate::model::{InvalidName, InvalidSchema, Schema, TypeExpr};

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Diagnostic)]
#[expect(missing_docs, reason = "the messages are the documentation")]
pub enum ProblemKind {
    #[error("not valid TOML: {message}")]
    #[diagnostic(code(rsrt::topology::syntax))]
    Syntax { message: String },

    #[error("{of} has no key `{key}`")]
    #[diagnostic(code(rsrt::topology::unknown_key))]
    UnknownKey { key: String, of: String },

    #[error("{of} needs `{key}`")]
    #[diagnostic(code(rsrt::topology::missing_key))]
    MissingKey { key: &'static str, of: String },

    #[error("`{key}` must be {wanted}, not {found}")]
    #[diagnostic(code(rsrt::topology::wrong_type))]
    WrongType {
        key: String,
        wanted: &'static str,
        found: &'static str,
    },

    #[error("`{key}` {why}")]
    #[diagnostic(code(rsrt::topology::bad_value))]
    BadValue { key: String, why: String },

    #[error("`{key}` cannot be a secret: whoever checks the topology must read it")]
    #[diagnostic(code(rsrt::topology::secret_here))]
    SecretHere { key: String },

    #[error("{what} cannot be {name:?}")]
    #[diagnostic(code(rsrt::topology::unknown_choice))]
    UnknownChoice { what: String, name: String },

    #[error("{what} is not supported by this version yet")]
    #[diagnostic(code(rsrt::topology::not_yet))]
    NotYet { what: String },

    #[error("`{key}`: {reason}")]
    #[diagnostic(code(rsrt::topology::bad_type))]
    BadType { key: String, reason: TypeExpr },

    #[error("the columns of {of} cannot stand together: {reason}")]
    #[diagnostic(code(rsrt::topology::bad_columns))]
    BadColumns { of: String, reason: InvalidSchema },

    #[error(transparent)]
    #[diagnostic(code(rsrt::topology::bad_name))]
    BadName(#[from] InvalidName),

    #[error("`{name}` is defined twice; sources, operators and sinks share their names")]
    #[diagnostic(code(rsrt::topology::duplicate_name))]
    DuplicateName { name: String },

    #[error("nothing to execute: the topology has no sink")]
    #[diagnostic(code(rsrt::topology::nothing_to_execute))]
    NothingToExecute,

    #[error("no source or operator is called `{name}`")]
    #[diagnostic(code(rsrt::topology::unknown_input))]
    UnknownInput { name: String },

    #[error("`{name}` is a sink, and nothing can be read from a sink")]
    #[diagnostic(code(rsrt::topology::unknown_input))]
    SinkAsInput { name: String },

    #[error("`{node}` has no output `{port}`")]
    #[diagnostic(code(rsrt::topology::unknown_output))]
    UnknownPort { node: String, port: String },

    #[error("{of} reads {}, but {verb} reads {wanted}", streams(*.found))]
    #[diagnostic(code(rsrt::topology::several_inputs))]
    Inputs {
        of: String,
        verb: String,
        wanted: &'static str,
        found: usize,
    },

    #[error("operators read from each other in a circle: {path}")]
    #[diagnostic(code(rsrt::topology::cycle))]
    Cycle { path: String },

    #[error("operator `{operator}` has no verb, so it does nothing")]
    #[diagnostic(code(rsrt::topology::no_verb))]
    NoVerb { operator: String },

    #[error("operator `{operator}` has more than one verb: {verbs}")]
    #[diagnostic(code(rsrt::topology::several_verbs))]
    SeveralVerbs { operator: String, verbs: String },

    #[error("no plugin is called `{alias}`")]
    #[diagnostic(code(rsrt::topology::unknown_plugin))]
    UnknownPlugin { alias: String },

    #[error("plugin `{alias}` is not loaded")]
    #[diagnostic(code(rsrt::topology::plugin_not_loaded))]
    PluginNotLoaded { alias: String },

    #[error("`{function}` is to come from the default plugin, but there is none")]
    #[diagnostic(code(rsrt::topology::no_default_plugin))]
    NoDefaultPlugin { function: String },

    #[error("{plugin} has no function `{function}`")]
    #[diagnostic(code(rsrt::topology::unknown_function))]
    UnknownFunction { plugin: String, function: String },

    #[error("`{function}` is {role} function, so `{verb}` cannot call it")]
    #[diagnostic(code(rsrt::topology::wrong_role))]
    WrongRole {
        function: String,
        role: String,
        verb: &'static str,
    },

    #[error("`{function}` takes ({wanted}), but {part} is ({found})")]
    #[diagnostic(code(rsrt::topology::type_mismatch))]
    TypeMismatch {
        function: String,
        part: &'static str,
        wanted: Schema,
        found: String,
    },

    #[error("`{function}` does not accept this: {reason}")]
    #[diagnostic(code(rsrt::topology::refused))]
    Refused { function: String, reason: String },

    #[error("`std:{function}` {why}")]
    #[diagnostic(code(rsrt::topology::std_function))]
    StdFunction { function: String, why: String },

    #[error(
        "`{verb}` reads streams with the same slide, but `{first}` has a batch every {first_slide:?} and `{other}` every {other_slide:?}"
    )]
    #[diagnostic(code(rsrt::topology::slides))]
    Slides {
        verb: &'static str,
        first: String,
        first_slide: Duration,
        other: String,
        other_slide: Duration,
    },

    #[error(
        "the {what} of the windowed stream `{operator}` ({duration:?}) must be a multiple of the slide duration of its parent `{parent}` ({slide:?})"
    )]
    #[diagnostic(code(rsrt::topology::no_multiple))]
    NoMultiple {
        what: &'static str,
        operator: String,
        duration: Duration,
        parent: String,
        slide: Duration,
    },

    #[error(
        "the slide of `{operator}` ({slide:?}) is longer than its window ({length:?}), and {verb} takes out what leaves: what lies between two windows would leave without having entered"
    )]
    #[diagnostic(code(rsrt::topology::slide_over_length))]
    SlideOverLength {
        operator: String,
        verb: String,
        slide: Duration,
        length: Duration,
    },

    #[error(
        "the checkpoint interval of `{operator}` ({interval:?}) must be at least its slide and a multiple of it ({slide:?})"
    )]
    #[diagnostic(code(rsrt::topology::checkpoint_interval))]
    CheckpointInterval {
        operator: String,
        interval: Duration,
        slide: Duration,
    },

    #[error("{what} needs a checkpoint directory, and the topology has none")]
    #[diagnostic(code(rsrt::topology::no_checkpoint))]
    NoCheckpoint { what: String },

    #[error(
        "`{verb}` compares keys, but the key of `{first}` is ({first_key}) and that of `{other}` ({other_key})"
    )]
    #[diagnostic(code(rsrt::topology::key_types))]
    KeyTypes {
        verb: &'static str,
        first: String,
        first_key: String,
        other: String,
        other_key: String,
    },

    #[error("`{function}` is not declared associative, and `{verb}` reduces in parts")]
    #[diagnostic(code(rsrt::topology::not_associative))]
    NotAssociative {
        function: String,
        verb: &'static str,
    },

    #[error("`{function}` {why}")]
    #[diagnostic(code(rsrt::topology::unfit_function))]
    UnfitFunction { function: String, why: String },

    #[error(
        "`{verb}` makes lists of ({found}), but `{column}` is a list already, and lists do not nest"
    )]
    #[diagnostic(code(rsrt::topology::nested_lists))]
    NestedLists {
        verb: &'static str,
        found: String,
        column: String,
    },

    #[error("`{verb}` needs values, but every column of the stream ({found}) is a key")]
    #[diagnostic(code(rsrt::topology::no_value))]
    NoValue { verb: &'static str, found: Schema },

    #[error(
        "the initial state of `{operator}` is ({found}), but it must have the key and the state: ({wanted})"
    )]
    #[diagnostic(code(rsrt::topology::initial_state))]
    InitialState {
        operator: String,
        wanted: Schema,
        found: Schema,
    },

    #[error("`{verb}` needs keys, but the stream ({found}) is not made of pairs")]
    #[diagnostic(code(rsrt::topology::no_key))]
    NoKey { verb: &'static str, found: Schema },

    #[error("a table of {database} cannot have the column `{column}`: {why}")]
    #[diagnostic(code(rsrt::topology::table_column))]
    TableColumn {
        database: &'static str,
        column: String,
        why: String,
    },

    #[error("the stream has no column `{column}`")]
    #[diagnostic(code(rsrt::topology::unknown_column))]
    UnknownColumn { column: String },

    #[error("`union` joins streams with the same columns, but these are ({first}) and ({other})")]
    #[diagnostic(code(rsrt::topology::union))]
    Union { first: Schema, other: Schema },
}

fn streams(count: usize) -> String {
    match count {
        1 => "1 stream".to_owned(),
        n => format!("{n} streams"),
    }
}

impl ProblemKind {
    /// What to write beside its place.
    pub(crate) fn label(&self) -> &'static str {
        match self {
            Self::Syntax { .. } => "here",
            Self::UnknownKey { .. } => "unknown key",
            Self::MissingKey { .. } => "missing here",
            Self::WrongType { .. } | Self::BadType { .. } => "wrong type",
            Self::SecretHere { .. } => "not here",
            Self::BadValue { .. } | Self::InitialState { .. } => "not valid",
            Self::NoMultiple { .. } | Self::CheckpointInterval { .. } => "no multiple",
            Self::SlideOverLength { .. } => "too long",
            Self::NoCheckpoint { .. } => "needs `checkpoint`",
            Self::UnknownChoice { .. } => "unknown",
            Self::NotYet { .. } => "not supported yet",
            Self::BadColumns { .. } => "these columns",
            Self::BadName(_) => "not a name",
            Self::DuplicateName { .. } => "defined again",
            Self::NothingToExecute => "no [sink.…] in this file",
            Self::UnknownInput { .. }
            | Self::SinkAsInput { .. }
            | Self::UnknownPort { .. }
            | Self::Inputs { .. }
            | Self::Slides { .. }
            | Self::KeyTypes { .. }
            | Self::Cycle { .. }
            | Self::TableColumn { .. }
            | Self::Union { .. } => "read here",
            Self::NoVerb { .. } => "needs a verb",
            Self::SeveralVerbs { .. } => "second verb",
            Self::UnknownPlugin { .. }
            | Self::PluginNotLoaded { .. }
            | Self::NoDefaultPlugin { .. }
            | Self::UnknownFunction { .. }
            | Self::WrongRole { .. }
            | Self::TypeMismatch { .. }
            | Self::Refused { .. }
            | Self::StdFunction { .. }
            | Self::NotAssociative { .. }
            | Self::UnfitFunction { .. }
            | Self::NestedLists { .. }
            | Self::NoValue { .. }
            | Self::NoKey { .. } => "called here",
            Self::UnknownColumn { .. } => "unknown column",
        }
    }
}
