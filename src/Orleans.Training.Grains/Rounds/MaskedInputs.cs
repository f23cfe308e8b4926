using System.Buffers;
using Orleans.Training.Grains.Blobs;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Aggregation;
using Orleans.Training.Protocol.Contracts;

namespace Orleans.Training.Grains.Rounds;

/// <summary>
/// The blobs of one masked attempt as one seat has seen them: shares and openings are kept, masked updates are added to a total as they come and not kept, so that what is left to do after the
/// reveals are the masks.
/// </summary>
/// <param name="blobs">Where they lie.</param>
/// <param name="terms">The agreement.</param>
/// <param name="round">State key of the attempt.</param>
internal sealed class MaskedInputs(IBlobStore blobs, AgreementRecord terms, string round)
{
    private readonly Dictionary<Digest, ReadOnlyMemory<byte>> _small = [];
    private readonly HashSet<(MaskBlobKind Kind, int Position)> _refused = [];
    private MaskedTotal _total = MaskedAggregate.NewTotal(terms);
    private PositionSet _added;

    /// <summary>State key of the attempt.</summary>
    public string Round => round;

    /// <summary>A blob that was looked at, by its name.</summary>
    public ReadOnlyMemory<byte>? Read(Digest root) => _small.TryGetValue(root, out var bytes) ? bytes : (ReadOnlyMemory<byte>?)null;

    /// <summary>
    /// Whether a participant's blob is here and may be held: a masked update has its length, shares have an envelope for each neighbour, openings are all that must be opened and match their
    /// leaves. One that is not here is looked for again the next time; one that may not be held never is.
    /// </summary>
    public async ValueTask<bool> Holds(MaskedAttempt masked, MaskBlobKind kind, int position, CancellationToken cancellationToken)
    {
        if (_refused.Contains((kind, position))) return false;
        var root = masked.RootOf(kind, position)!.Value;
        if (kind is MaskBlobKind.Input) return await Add(position, root, cancellationToken);
        if (kind is MaskBlobKind.Openings or MaskBlobKind.SilentOpenings && !await HasShares(masked, cancellationToken)) return false;
        if (_small.ContainsKey(root)) return true;
        if (await blobs.Find(root, cancellationToken) is not { } found) return false;
        if (found.Length > Limits.ChunkBytes || await blobs.ReadAll(root, cancellationToken) is not { } bytes || Check(masked, kind, position, bytes) is not MaskFault.None)
        {
            _refused.Add((kind, position));
            return false;
        }

        _small[root] = bytes;
        return true;
    }

    /// <summary>The total of exactly the survivors' updates, with all that takes their masks off at hand; null while something is not here.</summary>
    public async ValueTask<MaskedTotal?> TotalOf(MaskedAttempt masked, CancellationToken cancellationToken)
    {
        // An update that too few seats hold is in no order, though it may be in this total.
        if (_added.Without(masked.Survivors).Count > 0) (_total, _added) = (MaskedAggregate.NewTotal(terms), default);
        foreach (var (kind, position, _) in MaskedAggregate.Needs(masked))
        {
            if (!await Holds(masked, kind, position, cancellationToken)) return null;
        }

        return _total;
    }

    private MaskFault Check(MaskedAttempt masked, MaskBlobKind kind, int position, byte[] bytes) => kind switch
    {
        MaskBlobKind.Shares => MaskedUnmasking.CheckShares(masked, position, bytes),
        MaskBlobKind.Openings => MaskedUnmasking.Of(masked, Read).CheckOpenings(position, bytes),
        _ => MaskedUnmasking.Of(masked, Read).CheckSilentOpenings(position, bytes),
    };

    private async ValueTask<bool> HasShares(MaskedAttempt masked, CancellationToken cancellationToken)
    {
        foreach (var dealer in masked.Fixed.Dealers.Positions)
        {
            if (!await Holds(masked, MaskBlobKind.Shares, dealer, cancellationToken)) return false;
        }

        return true;
    }

    private async ValueTask<bool> Add(int position, Digest root, CancellationToken cancellationToken)
    {
        if (_added.Contains(position)) return true;
        if (await blobs.Find(root, cancellationToken) is not { } blob) return false;
        var buffer = ArrayPool<byte>.Shared.Rent((int)Math.Max(_total.Layout.Bytes, Limits.ChunkBytes));
        try
        {
            if (blob.Length == _total.Layout.Bytes && await blobs.Read(root, 0, buffer, cancellationToken) == blob.Length && _total.TryAdd(buffer.AsSpan(0, (int)blob.Length)))
            {
                _added = _added.Or(PositionSet.Of([position]));
                return true;
            }

            _refused.Add((MaskBlobKind.Input, position));
            return false;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }
}
