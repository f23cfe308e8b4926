using System.Diagnostics.CodeAnalysis;
using Orleans.Training.Protocol.Aggregation;

namespace Orleans.Training.Protocol.Contracts;

/// <summary>
/// What a seat checks before it says that it holds a blob of a group, and the masks that are left in the group's sum once all that undoes them is on the ledger.
/// Computed alike by proposer, validators and auditors, from the ledger and the blobs that it names.
/// </summary>
public sealed class MaskedUnmasking
{
    private readonly MaskedGroup _masked;
    private readonly BlobReader _read;
    private readonly MaskGraph _graph;
    private readonly MaskGraph _masks;
    private readonly SortedDictionary<ushort, ShareBlob> _shares = [];

    private MaskedUnmasking(MaskedGroup masked, BlobReader read, MaskGraph masks) => (_masked, _read, _graph, _masks) = (masked, read, masked.Graph, masks);

    /// <summary>Of a group whose order is written.</summary>
    public static MaskedUnmasking Of(MaskedGroup masked, BlobReader read) => new(masked, read, masked.Masks);

    /// <summary>Whether a dealer's blob has the length that the graph gives it. What is in its envelopes only their receivers can tell.</summary>
    public static MaskFault CheckShares(MaskedGroup masked, int dealer, long length) =>
        ShareBlob.LengthOf(masked.Graph.Neighbours((ushort)dealer), (ushort)dealer, masked.Masking.Exchange) == length ? MaskFault.None : MaskFault.WrongLength;

    /// <summary>
    /// Whether the openings of seeds that a survivor named are all that it must open, each matching its leaf. <see cref="MaskFault.BlobMissing"/> while the shares of somebody
    /// who dropped out are not here: that says nothing about the survivor.
    /// </summary>
    public MaskFault CheckOpenings(int position, ReadOnlyMemory<byte> bytes)
    {
        if (CheckDealers(_masked.Order!.Dropped, out _) is var fault and not MaskFault.None) return fault;
        return TryReveal(position, bytes, out var reveal) ? Removal().TryAccept(reveal) : MaskFault.HolderFault;
    }

    /// <summary>The same of its openings of b of the silent.</summary>
    public MaskFault CheckSilentOpenings(int position, ReadOnlyMemory<byte> bytes)
    {
        if (CheckDealers(_masked.Silent, out _) is var fault and not MaskFault.None) return fault;
        return TryRevealSilent(position, bytes, out var reveal) ? Removal().TryAccept(reveal, _masked.Silent.Members) : MaskFault.HolderFault;
    }

    /// <summary>The masks to subtract from the sum of the survivors' masked updates; <see cref="MaskFault.BlobMissing"/> where a blob that counts cannot be had.</summary>
    /// <param name="terms">The masks; empty with a fault.</param>
    /// <param name="culprit">Whose fault it is.</param>
    public MaskFault TryRemove(out MaskTerms terms, out ushort culprit)
    {
        terms = new MaskTerms();
        if (CheckDealers(_masked.Opened, out culprit) is var missing and not MaskFault.None) return missing;
        var removal = Removal();
        foreach (var position in _masked.Fixed.Revealed.Positions)
        {
            culprit = (ushort)position;
            if (_read(_masked.RootOf(MaskBlobKind.Openings, position)!.Value) is not { } bytes) return MaskFault.BlobMissing;
            if (!TryReveal(position, bytes, out var reveal) || removal.TryAccept(reveal) is not MaskFault.None) return MaskFault.HolderFault;
        }

        foreach (var position in _masked.Fixed.SilentRevealed.Positions)
        {
            culprit = (ushort)position;
            if (_read(_masked.RootOf(MaskBlobKind.SilentOpenings, position)!.Value) is not { } bytes) return MaskFault.BlobMissing;
            if (!TryRevealSilent(position, bytes, out var reveal) || removal.TryAccept(reveal, _masked.Silent.Members) is not MaskFault.None) return MaskFault.HolderFault;
        }

        terms.Dispose();
        return removal.TryFinish(out terms, out culprit);
    }

    private MaskRemoval Removal() => new(
        _masked.Cohort, _masked.Context, _graph, _masks, _masked.Order!.Order, position => _masked.Advert(position)!, dealer => _masked.Commit(dealer)!,
        dealer => _shares.TryGetValue(dealer, out var blob) ? blob : throw new InvalidOperationException($"Nobody opens shares of {dealer}, who neither dropped out nor fell silent."));

    // The blobs whose leaves openings are compared with.
    private MaskFault CheckDealers(PositionSet dealers, out ushort culprit)
    {
        culprit = 0;
        foreach (var dealer in dealers.Members)
        {
            if (_shares.ContainsKey(dealer)) continue;
            culprit = dealer;
            if (_read(_masked.Commit(dealer)!.BlobRoot) is not { } bytes) return MaskFault.BlobMissing;
            // Whose blob has another length counts as a dealer only if more seats lie than may.
            if (!ShareBlob.TryRead(bytes, _graph, dealer, _masked.Masking.Exchange, out var blob)) return MaskFault.WrongLength;
            _shares.Add(dealer, blob);
        }

        return MaskFault.None;
    }

    private bool TryReveal(int position, ReadOnlyMemory<byte> bytes, [NotNullWhen(true)] out Reveal? reveal)
    {
        reveal = _masked.SelfOf(position) is { } self && ShareOpenings.TryRead(bytes, out var openings)
            ? new((ushort)position, _masked.Context.Digest, _masked.Order!.Order.ComputeDigest(), self, openings)
            : null;
        return reveal is not null;
    }

    private bool TryRevealSilent(int position, ReadOnlyMemory<byte> bytes, [NotNullWhen(true)] out RevealSilent? reveal)
    {
        reveal = ShareOpenings.TryRead(bytes, out var openings) ? new((ushort)position, _masked.Context.Digest, _masked.Order!.Order.ComputeDigest(), openings) : null;
        return reveal is not null;
    }
}
