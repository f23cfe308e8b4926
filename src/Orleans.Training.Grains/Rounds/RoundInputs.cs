using System.Buffers;
using Orleans.Training.Grains.Blobs;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Aggregation;
using Orleans.Training.Protocol.Contracts;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Grains.Rounds;

/// <summary>
/// The updates of one attempt at a round as one seat has seen them: each is read, judged and added to the sum once, as soon as it is there, so that little is left to do
/// when the inputs are fixed.
/// </summary>
/// <param name="blobs">Where the updates lie.</param>
/// <param name="terms">The agreement.</param>
/// <param name="round">State key of the attempt.</param>
internal sealed class RoundInputs(IBlobStore blobs, AgreementRecord terms, string round) : IAttemptInputs
{
    private readonly SortedDictionary<int, bool> _judged = [];
    private LaneSum _sum = RoundAggregate.NewSum(terms);

    /// <inheritdoc/>
    public string Round => round;

    /// <inheritdoc/>
    public IReadOnlySet<int> Culprits { get; } = new HashSet<int>();

    /// <inheritdoc/>
    public async ValueTask<Holding?> Look(ContractState state, RoundRecord record, ValidatorSet validators, int seat, CancellationToken cancellationToken)
    {
        var positions = new List<int>();
        var seen = record.Inputs.Count(input => input.Root != Digest.Zero);
        for (var position = 0; position < record.Inputs.Count; position++)
        {
            var input = record.Inputs[position];
            if (input.Root == Digest.Zero || (input.Holders >> seat & 1) != 0) continue;
            if (await Admits(position, input.Root, cancellationToken)) positions.Add(position);
        }

        if (positions.Count == 0) return null;
        return new Holding(new Held(record.Agreement, record.Number, record.Attempt, positions), positions, "updates", seen, seen < record.Inputs.Count, validators.Count);
    }

    /// <inheritdoc/>
    public async ValueTask<RoundAggregate?> Compute(ContractState state, RoundRecord record, int quorum, byte[] parent, CancellationToken cancellationToken) =>
        await SumOf([.. record.Survivors(quorum)], record, cancellationToken) is { } sum ? RoundAggregate.Compute(terms, record, parent, sum) : null;

    /// <summary>Whether the update at a position is here and may be held. One that is not here is looked for again the next time.</summary>
    public async ValueTask<bool> Admits(int position, Digest root, CancellationToken cancellationToken)
    {
        if (_judged.TryGetValue(position, out var admissible)) return admissible;
        return await Add(_sum, position, root, cancellationToken) is { } verdict && (_judged[position] = verdict);
    }

    /// <summary>The sum of exactly these updates; null when one is not here or may not be added: then there is nothing to attest.</summary>
    public async ValueTask<LaneSum?> SumOf(IReadOnlyList<int> positions, RoundRecord record, CancellationToken cancellationToken)
    {
        // An update that too few seats hold does not count, though it may be in the sum of this one.
        if (_judged.Any(item => item.Value && !positions.Contains(item.Key)))
        {
            _sum = RoundAggregate.NewSum(terms);
            _judged.Clear();
        }

        foreach (var position in positions)
        {
            if (!await Admits(position, record.Inputs[position].Root, cancellationToken)) return null;
        }

        return _sum;
    }

    // Null when it is not here.
    private async ValueTask<bool?> Add(LaneSum sum, int position, Digest root, CancellationToken cancellationToken)
    {
        if (await blobs.Find(root, RoundAggregate.UpdateBytes(terms), cancellationToken) is not { } blob) return null;
        if (blob.Length != RoundAggregate.UpdateBytes(terms)) return false;
        var buffer = ArrayPool<byte>.Shared.Rent(Math.Max((int)blob.Length, Limits.ChunkBytes));
        try
        {
            await blobs.Read(root, 0, buffer, cancellationToken);
            return sum.TryAdd(buffer.AsSpan(0, (int)blob.Length), terms.Weights[position]);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }
}
