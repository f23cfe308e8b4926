using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;

namespace Orleans.Training.Protocol.Aggregation;

/// <summary>A share that a holder opened, and whose it is.</summary>
public readonly record struct ShareOpening(ushort Dealer, SaltedShare Share);

/// <summary>
/// P4: the shares of one kind that one holder opens, as a blob: kind (1), number (2), then for each dealer, ascending: dealer (2), x (1), share (32),
/// salt (16). Its holder signs the blob's name on the ledger, so that what is wrong with it has an author.
/// </summary>
public sealed class ShareOpenings
{
    private const int HeadBytes = 3;
    private const int EntryBytes = sizeof(ushort) + 1 + MaskKeys.Size + SaltedShare.SaltBytes;

    private ShareOpenings(ShareKind kind, IReadOnlyList<ShareOpening> entries, ReadOnlyMemory<byte> bytes) => (Kind, Entries, Bytes) = (kind, entries, bytes);

    /// <summary>The one kind of all its shares.</summary>
    public ShareKind Kind { get; }

    /// <summary>The openings, by ascending dealer.</summary>
    public IReadOnlyList<ShareOpening> Entries { get; }

    /// <summary>The blob.</summary>
    public ReadOnlyMemory<byte> Bytes { get; }

    /// <summary>The list as bytes.</summary>
    /// <exception cref="ArgumentException">The dealers do not ascend.</exception>
    public static ShareOpenings Create(ShareKind kind, IReadOnlyList<ShareOpening> entries)
    {
        var bytes = new byte[HeadBytes + (EntryBytes * entries.Count)];
        bytes[0] = (byte)kind;
        BinaryPrimitives.WriteUInt16LittleEndian(bytes.AsSpan(1), checked((ushort)entries.Count));
        for (var i = 0; i < entries.Count; i++)
        {
            var at = bytes.AsSpan(HeadBytes + (EntryBytes * i), EntryBytes);
            BinaryPrimitives.WriteUInt16LittleEndian(at, entries[i].Dealer);
            at[2] = entries[i].Share.Point;
            entries[i].Share.Share.Span.CopyTo(at[3..]);
            entries[i].Share.Salt.Span.CopyTo(at[(3 + MaskKeys.Size)..]);
        }

        return TryRead(bytes, out var openings) ? openings : throw new ArgumentException("The dealers of openings ascend.", nameof(entries));
    }

    /// <summary>Reads a list; false if it is not in the one form, or a dealer is beyond the roster's limit.</summary>
    public static bool TryRead(ReadOnlyMemory<byte> bytes, [NotNullWhen(true)] out ShareOpenings? openings)
    {
        openings = null;
        if (bytes.Length < HeadBytes || bytes.Span[0] is not ((byte)ShareKind.Seed or (byte)ShareKind.Self)) return false;
        var count = BinaryPrimitives.ReadUInt16LittleEndian(bytes.Span[1..]);
        if (count > Limits.Participants || bytes.Length != HeadBytes + (EntryBytes * count)) return false;
        var entries = new ShareOpening[count];
        for (var i = 0; i < count; i++)
        {
            var at = bytes.Slice(HeadBytes + (EntryBytes * i), EntryBytes);
            var dealer = BinaryPrimitives.ReadUInt16LittleEndian(at.Span);
            if (dealer >= Limits.Participants || (i > 0 && dealer <= entries[i - 1].Dealer) || at.Span[2] == 0) return false;
            entries[i] = new(dealer, new SaltedShare(at.Span[2], at.Slice(3, MaskKeys.Size), at.Slice(3 + MaskKeys.Size, SaltedShare.SaltBytes)));
        }

        openings = new((ShareKind)bytes.Span[0], entries, bytes);
        return true;
    }

    /// <summary>
    /// Whether a holder opened exactly what it had to, each share matching its dealer's leaf: <see cref="MaskFault.HolderFault"/> if not. Anybody can
    /// check that from the signed list and the dealers' blobs.
    /// </summary>
    /// <param name="kind">The kind that the order asks for.</param>
    /// <param name="holder">Who opened.</param>
    /// <param name="required">The dealers whose shares it must open, ascending.</param>
    /// <param name="cohort">ctx1.</param>
    /// <param name="graph">The graph of the cohort.</param>
    /// <param name="blobs">The blob of each dealer.</param>
    public MaskFault Check(ShareKind kind, ushort holder, ReadOnlySpan<ushort> required, CohortContext cohort, MaskGraph graph, Func<ushort, ShareBlob> blobs)
    {
        if (kind != Kind || Entries.Count != required.Length) return MaskFault.HolderFault;
        for (var i = 0; i < required.Length; i++)
        {
            var (dealer, share) = Entries[i];
            if (dealer != required[i] || !blobs(dealer).Matches(kind, share, cohort, dealer, holder, graph.PointOf(dealer, holder))) return MaskFault.HolderFault;
        }

        return MaskFault.None;
    }
}
