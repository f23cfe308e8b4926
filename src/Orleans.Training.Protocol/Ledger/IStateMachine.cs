namespace Orleans.Training.Protocol.Ledger;

/// <summary>A block together with the state after it: the result of an execution. Immutable, so any number of branches may hang on it.</summary>
/// <param name="Block">The block.</param>
/// <param name="State">The state after it; only the state machine looks inside.</param>
/// <param name="NextDeadlineMs">When the next deadline in this state falls due (block time), or null: a pure function of the state.</param>
/// <param name="Seals">The validator set of the next era when this block seals its era, else null.</param>
public sealed record ExecutedBlock(Block Block, object State, long? NextDeadlineMs, ValidatorSet? Seals);

/// <summary>
/// What consensus needs from the ledger: build a block on a parent, or execute one that somebody else built. Both are pure.
/// Implemented by the ledger's executor and, with idealized signatures, by the simulator.
/// </summary>
public interface IStateMachine
{
    /// <summary>
    /// Builds and executes the block that carries, in the given order, those of <paramref name="transactions"/> that are admissible on
    /// <paramref name="parent"/> at <paramref name="timeMs"/>, up to the limits of a block. Inadmissible ones are left out.
    /// </summary>
    ExecutedBlock Build(ExecutedBlock parent, long timeMs, int proposer, IEnumerable<Transaction> transactions);

    /// <summary>Executes a block on its parent; null when any hash, rule of admission or time differs from what this machine computes.</summary>
    ExecutedBlock? Execute(ExecutedBlock parent, Block block);

    /// <summary>Whether the transaction would be admissible on this state at this time.</summary>
    Rejection Check(ExecutedBlock state, Transaction transaction, long timeMs);
}
