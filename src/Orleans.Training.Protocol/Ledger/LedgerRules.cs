using Orleans.Training.Protocol.Contracts;

namespace Orleans.Training.Protocol.Ledger;

/// <summary>The rules of the contracts that the simulator can break one at a time, to show that it notices. Production has <see cref="Correct"/> and no way to say otherwise.</summary>
internal sealed record LedgerRules
{
    public static LedgerRules Correct { get; } = new();

    /// <summary><see cref="AttestSnapshot"/>: how many seats must agree on a snapshot.</summary>
    public Func<ValidatorSet, int> Attesters { get; init; } = static validators => validators.Quorum;

    /// <summary><see cref="Convict"/>: what a proof proves.</summary>
    public Func<FaultProof, FaultKind> Proves { get; init; } = static proof => proof.Check();

    /// <summary><see cref="Convict"/>: a convicted seat leaves.</summary>
    public bool Expels { get; init; } = true;
}
