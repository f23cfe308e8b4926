using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Contracts;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Grains.Rounds;

/// <summary>What a seat may say that it holds, and how urgent that is.</summary>
/// <param name="Call">The word for everything that is here and was not said yet.</param>
/// <param name="Positions">Whose.</param>
/// <param name="Kind">Of what, as part of a name.</param>
/// <param name="Seen">What of this kind is on the ledger by now: while it grows, waiting begins anew.</param>
/// <param name="MayGrow">Whether more may come: then one word for many is worth a little time.</param>
/// <param name="Needed">So many seats must say it; the others need not, and wait to see.</param>
internal sealed record Holding(ContractCall Call, IReadOnlyList<int> Positions, string Kind, int Seen, bool MayGrow, int Needed);

/// <summary>
/// One attempt at a round as one seat has seen it, with masks or without: what was read is judged and added up once, as soon as it is there, so that little is left to do
/// when the inputs are fixed. Nothing here must survive: it is read again.
/// </summary>
internal interface IAttemptInputs
{
    /// <summary>State key of the attempt.</summary>
    string Round { get; }

    /// <summary>Fetches and judges what is committed, and gives what this seat may say that it holds now; null when there is nothing new.</summary>
    ValueTask<Holding?> Look(ContractState state, RoundRecord round, ValidatorSet validators, int seat, CancellationToken cancellationToken);

    /// <summary>Positions of participants whose own words have spoilt a sum, as far as <see cref="Compute"/> has found.</summary>
    IReadOnlySet<int> Culprits { get; }

    /// <summary>The aggregate of an attempt whose inputs are fixed; null when something is not here, or when there is none that an honest seat could attest.</summary>
    ValueTask<RoundAggregate?> Compute(ContractState state, RoundRecord round, int quorum, byte[] parent, CancellationToken cancellationToken);
}
