//! Bugs and crashes that can be planted in the services, to see whether they are found.
//!
//! Only the test images have them: they are built with the feature `on`. In every other build [`is`] is the
//! constant `false` and a [`Steps`] is nothing at all, so the compiler leaves out whatever hangs on them.

#[cfg(not(feature = "on"))]
mod off;
#[cfg(feature = "on")]
mod on;

#[cfg(not(feature = "on"))]
pub use off::{Steps, is, start};
#[cfg(feature = "on")]
pub use on::{Steps, is, start};

/// A bug that can be planted. One of them, or none, is in a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bug {
    /// None at all: everything is published twice, which at-least-once delivery allows.
    PublishTwice,
    /// Everything is published twice, and the stock service forgets what it has answered.
    SkipStockDedup,
    /// Everything is published twice, and the payment service forgets what it has answered.
    SkipPaymentDedup,
    /// An admission publishes its commands before it commits, and one in ten does not commit.
    PublishBeforeCommit,
    /// A checkout is answered with 200 as soon as it is admitted.
    AcknowledgeBeforeCommit,
    /// One checkout in twenty is answered with a rejection although its saga goes on.
    RejectWhatHappens,
    /// What a saga had reserved is given back twice.
    CompensateTwice,
    /// A refused charge is given back although it never was taken.
    CompensateNothing,
    /// A refused charge ends the saga, and the stock stays reserved.
    ForgetCompensation,
    /// One saga in forty never hears from the payment service.
    DropReply,
    /// Credit is read, changed and written back under READ COMMITTED.
    LostUpdate,
    /// One order in twenty is unpaid again a while after it was paid.
    RevertPaid,
    /// Nobody looks whether a user has the credit.
    Overspend,
    /// One standby of the stock database stops replaying.
    StallStandby,
    /// One standby of the stock database promotes itself, and no primary ever stops for another one.
    TwoPrimaries,
    /// Commits wait for no standby, and the order primary sends its standbys nothing for most of the time.
    Asynchronous,
    /// One addItem in ten is acknowledged and forgotten.
    ForgetAddItem,
    /// One addItem in ten is applied twice.
    DoubleAddItem,
    /// One order in ten loses its first line, with what that cost, a while after it was paid.
    LoseLine,
    /// Twice a second the item that was sold last becomes dearer by 1.
    AlterPrice,
    /// One create in ten is answered with the id that the create before it was given.
    ReuseOrderId,
    /// One order in ten belongs to another user a while after it was paid.
    StealOrder,
    /// Reads keep to the first primary that the process ever knew, and nobody confirms them.
    DeposedReads,
}
