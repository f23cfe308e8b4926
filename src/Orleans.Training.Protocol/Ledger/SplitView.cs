using System.Formats.Cbor;

namespace Orleans.Training.Protocol.Ledger;

/// <summary>
/// Proof from bytes alone that the owner of a key showed two logs under one name (docs/spec/consensus.md §10.3): two checkpoints of one origin with good lines by that key (its own log line or its cosignature, C2SP
/// signed-note and tlog-cosignature) which no one tree can have. Either they give two roots for one size; or the larger tree, by a consistency proof (RFC 9162 §2.1.4), begins with another tree than the smaller one.
/// Two checkpoints of different sizes prove nothing without that proof.
/// </summary>
/// <param name="Key">The guilty key.</param>
/// <param name="First">A checkpoint with a line by the key; the smaller one when sizes differ.</param>
/// <param name="Second">The other checkpoint.</param>
/// <param name="Root">What the larger tree's first leaves, as many as the smaller one has, give as root; null when the sizes are equal.</param>
/// <param name="Proof">The consistency proof from that root to the larger tree; empty when the sizes are equal.</param>
public sealed record SplitView(NoteKey Key, SignedNote First, SignedNote Second, Digest? Root, IReadOnlyList<Digest> Proof) : FaultProof
{
    private const uint Kind = 3;
    private const int MaximumNote = 4096;
    private const int MaximumKey = 512;
    // A tree of 2^63 leaves has proofs of at most 64 hashes, and one to begin with.
    private const int MaximumProof = 65;
    private const int MostBytes = 2 * MaximumNote + MaximumKey + (MaximumProof + 2) * 40;

    /// <summary>Two checkpoints of one size.</summary>
    public SplitView(NoteKey key, SignedNote first, SignedNote second) : this(key, Only(key, first), Only(key, second), null, [])
    {
    }

    /// <summary>The name of the log that was shown twice.</summary>
    public string Origin => Checkpoint.TryParse(First.Text, out var checkpoint) ? checkpoint!.Origin : "";

    /// <inheritdoc/>
    public override IReadOnlyList<PublicKey> Keys => [Key.Key];

    /// <inheritdoc/>
    public override ulong? Era => null;

    /// <inheritdoc/>
    public override ulong View => 0;

    /// <summary><see cref="FaultKind.TwoTrees"/> when the checkpoints contradict each other and the key has signed both, else <see cref="FaultKind.None"/>.</summary>
    public override FaultKind Check()
    {
        if (!Checkpoint.TryParse(First.Text, out var first) || !Checkpoint.TryParse(Second.Text, out var second) || first!.Origin != second!.Origin) return FaultKind.None;
        var contradicts = first.Size == second.Size
            ? Root is null && Proof.Count == 0 && first.Root != second.Root
            : Root is { } root && first.Size > 0 && first.Size < second.Size && root != first.Root && MerkleProof.VerifyConsistency(first.Size, second.Size, [.. Proof], root, second.Root);
        return contradicts && First.IsSignedBy(Key) && Second.IsSignedBy(Key) ? FaultKind.TwoTrees : FaultKind.None;
    }

    /// <inheritdoc/>
    public override bool IsOf(Genesis genesis) => genesis.Origin == Origin;

    /// <inheritdoc/>
    public override Validator? SeatOf(ValidatorSet validators, PublicKey key) =>
        key == Key.Key ? validators.Seats.FirstOrDefault(seat => (Key.Kind is NoteKeyKind.Log ? seat.LogKey : seat.CosignKey) == key) : null;

    /// <summary>[3, key, first note, second note, root or null, [hash…]]; key and notes are text: a vkey and two signed notes.</summary>
    public override byte[] Encode() => Wire.Encode(writer =>
    {
        writer.WriteStartArray(6);
        writer.WriteUInt32(Kind);
        writer.WriteTextString(Key.ToString());
        writer.WriteTextString(First.ToString());
        writer.WriteTextString(Second.ToString());
        if (Root is { } root) writer.Write(root); else writer.WriteNull();
        writer.WriteStartArray(Proof.Count);
        foreach (var hash in Proof) writer.Write(hash);
        writer.WriteEndArray();
        writer.WriteEndArray();
    });

    /// <summary>Parses what <see cref="Encode"/> wrote; proves nothing yet.</summary>
    public static bool TryParse(ReadOnlyMemory<byte> bytes, out SplitView? view) => Wire.TryDecode(bytes, MostBytes, Read, out view) && view is not null;

    // Other seats' lines have nothing to do with it.
    private static SignedNote Only(NoteKey key, SignedNote note) => new(note.Text, [.. note.Signatures.Where(line => line.KeyId == key.Id && line.Name == key.Name)]);

    private static SplitView Read(CborReader reader)
    {
        reader.ReadArrayHead(6);
        reader.ReadVersion(Kind);
        Wire.Require(NoteKey.TryParse(reader.ReadText(MaximumKey), out var key));
        var (first, second) = (ReadNote(reader), ReadNote(reader));
        var view = new SplitView(key!, first, second, reader.ReadOptional(Wire.ReadDigest), reader.ReadArray(MaximumProof, Wire.ReadDigest));
        reader.ReadEndArray();
        return view;
    }

    private static SignedNote ReadNote(CborReader reader)
    {
        Wire.Require(SignedNote.TryParse(reader.ReadText(MaximumNote), out var note));
        return note!;
    }
}
