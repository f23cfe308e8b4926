using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;

namespace Orleans.Training.Protocol.Aggregation;

/// <summary>P2: what a dealer puts on the ledger about the shares it dealt.</summary>
/// <param name="Dealer">Position.</param>
/// <param name="SelfCommitment">hB, the commitment to b. The advert's mask key is the one to the seed.</param>
/// <param name="BlobRoot">Name of the blob, and so the commitment to every leaf.</param>
public sealed record ShareCommit(ushort Dealer, Digest SelfCommitment, Digest BlobRoot);

/// <summary>
/// A dealer's blob: for each neighbour, in order, leaf of the seed's share ‖ leaf of b's share ‖ sealed envelope, 177 bytes. Behind them, where the exchange is hybrid, the ciphertext of each envelope's key,
/// 1,120 bytes each, and then for each neighbour of a larger position that of the masks' secret. Nothing else: the graph says how many there are.
/// </summary>
public sealed class ShareBlob
{
    /// <summary>Bytes for one neighbour.</summary>
    public const int EntryBytes = (2 * Digest.Size) + ShareEnvelope.SealedBytes;

    /// <summary>The most neighbours of a dealer: a point of the field for each but 0, and none for the dealer itself.</summary>
    public const int MaximumNeighbours = Shamir.MaximumShares - 1;

    /// <summary>The most bytes of a blob.</summary>
    public const int MaximumBytes = MaximumNeighbours * (EntryBytes + (2 * XWing.CiphertextBytes));

    private readonly int _smaller;

    private ShareBlob(ReadOnlyMemory<byte> bytes, int count, int smaller) => (Bytes, Count, _smaller) = (bytes, count, smaller);

    /// <summary>The blob.</summary>
    public ReadOnlyMemory<byte> Bytes { get; }

    /// <summary>Neighbours.</summary>
    public int Count { get; }

    /// <summary>The blob of a dealer; false for another length than its neighbours give it.</summary>
    public static bool TryRead(ReadOnlyMemory<byte> bytes, MaskGraph graph, ushort dealer, KeyExchange exchange, [NotNullWhen(true)] out ShareBlob? blob)
    {
        var neighbours = graph.Neighbours(dealer);
        blob = neighbours.Length is >= 1 and <= MaximumNeighbours && bytes.Length == LengthOf(neighbours, dealer, exchange) ? new(bytes, neighbours.Length, ~neighbours.BinarySearch(dealer)) : null;
        return blob is not null;
    }

    /// <summary>Bytes of the blob of a dealer with these neighbours.</summary>
    public static int LengthOf(ReadOnlySpan<ushort> neighbours, ushort dealer, KeyExchange exchange) =>
        (neighbours.Length * EntryBytes) + (exchange is KeyExchange.Hybrid ? CiphertextsOf(neighbours, dealer) * XWing.CiphertextBytes : 0);

    /// <summary>How many ciphertexts a dealer makes: one for each neighbour, and one more for each larger one.</summary>
    internal static int CiphertextsOf(ReadOnlySpan<ushort> neighbours, ushort dealer) => (2 * neighbours.Length) - ~neighbours.BinarySearch(dealer);

    /// <summary>What the key of the envelope at a point follows from.</summary>
    public ReadOnlySpan<byte> EnvelopeCiphertext(int point) => Ciphertext(point - 1);

    /// <summary>What the masks with the neighbour at a point follow from, whose position is larger than the dealer's.</summary>
    public ReadOnlySpan<byte> PairCiphertext(int point) => point > _smaller ? Ciphertext(Count + point - 1 - _smaller) : throw new ArgumentOutOfRangeException(nameof(point), "The smaller of two neighbours makes the ciphertext.");

    /// <summary>The leaf of the share at a point.</summary>
    public Digest Leaf(ShareKind kind, int point) => Digest.From(Bytes.Span.Slice(((point - 1) * EntryBytes) + (kind is ShareKind.Seed ? 0 : Digest.Size), Digest.Size));

    /// <summary>The sealed envelope for the neighbour at a point.</summary>
    public ReadOnlySpan<byte> Envelope(int point) => Bytes.Span.Slice(((point - 1) * EntryBytes) + (2 * Digest.Size), ShareEnvelope.SealedBytes);

    /// <summary>
    /// Shares both secrets among the dealer's neighbours. The same arguments give the same blob; <paramref name="dealingKey"/> is secret, random
    /// and for one attempt only: coefficients and salts are its stream.
    /// </summary>
    /// <param name="cohort">ctx1.</param>
    /// <param name="graph">The graph of the cohort.</param>
    /// <param name="dealer">Position of the dealer.</param>
    /// <param name="seed">32 bytes.</param>
    /// <param name="self">b, 32 bytes.</param>
    /// <param name="dealingKey">32 bytes.</param>
    /// <param name="envelopeKeys">K_enc to each neighbour, one behind the other.</param>
    /// <param name="ciphertexts">What stands behind the entries; empty where the exchange has none.</param>
    public static ShareBlob Deal(CohortContext cohort, MaskGraph graph, ushort dealer, ReadOnlySpan<byte> seed, ReadOnlySpan<byte> self, ReadOnlySpan<byte> dealingKey, ReadOnlySpan<byte> envelopeKeys, ReadOnlySpan<byte> ciphertexts) =>
        Deal(cohort, graph, dealer, seed, self, dealingKey, envelopeKeys, ciphertexts, MaskRules.Correct);

    internal static ShareBlob Deal(
        CohortContext cohort, MaskGraph graph, ushort dealer, ReadOnlySpan<byte> seed, ReadOnlySpan<byte> self, ReadOnlySpan<byte> dealingKey, ReadOnlySpan<byte> envelopeKeys, ReadOnlySpan<byte> ciphertexts, MaskRules rules)
    {
        const int size = MaskKeys.Size, salt = SaltedShare.SaltBytes;
        var neighbours = graph.Neighbours(dealer);
        var coefficients = (graph.Threshold - 1) * size;
        var random = GC.AllocateArray<byte>((2 * coefficients) + (2 * salt * neighbours.Length) + 15 & ~15, pinned: true);
        var shares = GC.AllocateArray<byte>(2 * size * neighbours.Length, pinned: true);
        using (var stream = MaskStream.Create(dealingKey)) stream.Add(random, LaneWidth.Bits8, 0);
        Shamir.Share(seed, graph.Threshold, random.AsSpan(0, coefficients), shares.AsSpan(0, size * neighbours.Length));
        Shamir.Share(self, graph.Threshold, random.AsSpan(coefficients, coefficients), shares.AsSpan(size * neighbours.Length));

        var bytes = new byte[(EntryBytes * neighbours.Length) + ciphertexts.Length];
        ciphertexts.CopyTo(bytes.AsSpan(EntryBytes * neighbours.Length));
        Span<byte> plain = stackalloc byte[ShareEnvelope.PlainBytes];
        for (var i = 0; i < neighbours.Length; i++)
        {
            var salts = random.AsSpan((2 * coefficients) + (2 * salt * i));
            plain[0] = (byte)(i + 1);
            shares.AsSpan(size * i, size).CopyTo(plain[1..]);
            salts[..salt].CopyTo(plain[(1 + size)..]);
            shares.AsSpan(size * (neighbours.Length + i), size).CopyTo(plain[(1 + size + salt)..]);
            salts.Slice(salt, salt).CopyTo(plain[(1 + (2 * size) + salt)..]);
            using var envelope = new ShareEnvelope(plain);
            var entry = bytes.AsSpan(EntryBytes * i, EntryBytes);
            envelope.Half(ShareKind.Seed).Leaf(ShareKind.Seed, cohort, dealer, neighbours[i]).CopyTo(entry);
            envelope.Half(ShareKind.Self).Leaf(ShareKind.Self, cohort, dealer, neighbours[i]).CopyTo(entry[Digest.Size..]);
            var associated = rules.BindEnvelopes ? ShareEnvelope.Associated(cohort, dealer, neighbours[i]) : [];
            envelope.Seal(envelopeKeys.Slice(size * i, size), associated, entry[(2 * Digest.Size)..]);
        }

        CryptographicOperations.ZeroMemory(plain);
        CryptographicOperations.ZeroMemory(random);
        CryptographicOperations.ZeroMemory(shares);
        return new(bytes, neighbours.Length, ~neighbours.BinarySearch(dealer));
    }

    /// <summary>
    /// What a holder finds in a dealer's blob: its envelope, if the blob is that of the commitment, and the shares match their leaves. With any
    /// fault the holder does not acknowledge: the edge falls, and neither masks nor shares pass between the two. Nothing is proved to others, nothing opened.
    /// </summary>
    /// <param name="commit">What the dealer committed to.</param>
    /// <param name="bytes">The blob, or null where it cannot be had.</param>
    /// <param name="cohort">ctx1.</param>
    /// <param name="graph">The graph of the cohort.</param>
    /// <param name="holder">Position of the holder.</param>
    /// <param name="exchange">How neighbours come to their secrets.</param>
    /// <param name="findKey">K_enc of the envelope at a point of the blob.</param>
    /// <param name="rules">Which rules hold.</param>
    /// <param name="envelope">What was found; null with a fault.</param>
    /// <param name="blob">The blob; null with a fault.</param>
    internal static MaskFault TryTake(
        ShareCommit commit, ReadOnlyMemory<byte>? bytes, CohortContext cohort, MaskGraph graph, ushort holder, KeyExchange exchange, KeyFinder findKey, MaskRules rules, out ShareEnvelope? envelope, out ShareBlob? blob)
    {
        (envelope, blob) = (null, null);
        if (bytes is null) return MaskFault.BlobMissing;
        var point = graph.PointOf(commit.Dealer, holder);
        if (point == 0 || !TryRead(bytes.Value, graph, commit.Dealer, exchange, out blob)) return MaskFault.WrongLength;
        if (ChunkedBlob.Root(bytes.Value.Span) != commit.BlobRoot) return MaskFault.BlobMismatch;
        Span<byte> envelopeKey = stackalloc byte[MaskKeys.Size];
        findKey(blob, point, envelopeKey);
        var associated = rules.BindEnvelopes ? ShareEnvelope.Associated(cohort, commit.Dealer, holder) : [];
        var opened = ShareEnvelope.TryOpen(envelopeKey, associated, blob.Envelope(point));
        CryptographicOperations.ZeroMemory(envelopeKey);
        if (opened is null) return MaskFault.EnvelopeUnreadable;
        if (rules.CheckLeaves && (!blob.Matches(ShareKind.Seed, opened.Half(ShareKind.Seed), cohort, commit.Dealer, holder, point) || !blob.Matches(ShareKind.Self, opened.Half(ShareKind.Self), cohort, commit.Dealer, holder, point)))
        {
            opened.Dispose();
            return MaskFault.LeafMismatch;
        }

        envelope = opened;
        return MaskFault.None;
    }

    /// <summary>Gives K_enc of the envelope at a point of a blob.</summary>
    internal delegate void KeyFinder(ShareBlob blob, int point, Span<byte> key);

    private ReadOnlySpan<byte> Ciphertext(int index) => Bytes.Span.Slice((Count * EntryBytes) + (index * XWing.CiphertextBytes), XWing.CiphertextBytes);

    /// <summary>Whether this is the share that the dealer committed to for this holder.</summary>
    public bool Matches(ShareKind kind, SaltedShare share, CohortContext cohort, ushort dealer, ushort holder, int point) =>
        share.Point == point && point >= 1 && point <= Count && share.Leaf(kind, cohort, dealer, holder) == Leaf(kind, point);
}
