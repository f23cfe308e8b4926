using System.Formats.Cbor;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Protocol.Contracts;

/// <summary>A checkpoint of another ledger that this one has recorded: size and root of its tree.</summary>
public readonly record struct Anchor(long Size, Digest Root);

/// <summary>
/// Another ledger that this one watches: [origin, trust policy, time of the newest anchor, [[size, root]…]], oldest anchor first. Each anchor continues the one before it, so that
/// two histories of that ledger cannot both be recorded here.
/// </summary>
public sealed record WatchedRecord(string Origin, string Policy, long AnchoredMs, IReadOnlyList<Anchor> Anchors) : StateRecord
{
    /// <summary>Anchors that are kept in the state; the older ones are in the ledger's entries.</summary>
    public const int Kept = 64;

    /// <summary>The state key: by the SHA-256 of the origin.</summary>
    public static string Key(string origin) => Prefix + Digest.Of(System.Text.Encoding.UTF8.GetBytes(origin));

    /// <summary>What all state keys of this kind begin with.</summary>
    public const string Prefix = "watched/";

    internal static WatchedRecord Read(CborReader reader)
    {
        reader.ReadArrayHead(4);
        var record = new WatchedRecord(reader.ReadText(Limits.OriginLength), reader.ReadText(Limits.PolicyLength), reader.ReadNumber(), reader.ReadArray(Kept, ReadAnchor));
        reader.ReadEndArray();
        return record;
    }

    /// <inheritdoc/>
    public override void Write(CborWriter writer)
    {
        writer.WriteStartArray(4);
        writer.WriteTextString(Origin);
        writer.WriteTextString(Policy);
        writer.WriteInt64(AnchoredMs);
        writer.WriteStartArray(Anchors.Count);
        foreach (var anchor in Anchors)
        {
            writer.WriteStartArray(2);
            writer.WriteInt64(anchor.Size);
            writer.Write(anchor.Root);
            writer.WriteEndArray();
        }

        writer.WriteEndArray();
        writer.WriteEndArray();
    }

    private static Anchor ReadAnchor(CborReader reader)
    {
        reader.ReadArrayHead(2);
        var anchor = new Anchor(reader.ReadNumber(), reader.ReadDigest());
        reader.ReadEndArray();
        return anchor;
    }
}

/// <summary>The proof that a watched ledger has shown two histories: [origin, size, anchored root, the other checkpoint as its policy accepts it].</summary>
public sealed record SplitViewRecord(string Origin, long Size, Digest Root, string Other) : StateRecord
{
    /// <summary>The state key: one for each ledger.</summary>
    public static string Key(string origin) => Prefix + Digest.Of(System.Text.Encoding.UTF8.GetBytes(origin));

    /// <summary>What all state keys of this kind begin with.</summary>
    public const string Prefix = "split-views/";

    internal static SplitViewRecord Read(CborReader reader)
    {
        reader.ReadArrayHead(4);
        var record = new SplitViewRecord(reader.ReadText(Limits.OriginLength), reader.ReadNumber(), reader.ReadDigest(), reader.ReadText(Limits.PolicyLength));
        reader.ReadEndArray();
        return record;
    }

    /// <inheritdoc/>
    public override void Write(CborWriter writer)
    {
        writer.WriteStartArray(4);
        writer.WriteTextString(Origin);
        writer.WriteInt64(Size);
        writer.Write(Root);
        writer.WriteTextString(Other);
        writer.WriteEndArray();
    }
}

/// <summary>
/// A validator's vote to watch another ledger under a trust policy, or under another policy than before; it happens when a quorum of seats has sent the same arguments: [origin, policy].
/// </summary>
public sealed record Watch(string Origin, string Policy) : ContractCall
{
    /// <inheritdoc/>
    public override string Contract => "anchor";

    /// <inheritdoc/>
    public override string Method => "Watch";

    /// <inheritdoc/>
    public override void WriteArguments(CborWriter writer)
    {
        writer.WriteStartArray(2);
        writer.WriteTextString(Origin);
        writer.WriteTextString(Policy);
        writer.WriteEndArray();
    }

    internal static Watch Read(CborReader reader)
    {
        reader.ReadArrayHead(2);
        var call = new Watch(reader.ReadText(Limits.OriginLength), reader.ReadText(Limits.PolicyLength));
        // A policy without witnesses would let one log key rewrite everything.
        Wire.Require(TrustPolicy.TryParse(call.Policy, out var policy, out _) && policy!.Witnesses.Count > 0 && policy.Logs.Count > 0 && policy.Logs.All(log => log.Name == call.Origin));
        reader.ReadEndArray();
        return call;
    }

    internal override Rejection Apply(ContractContext context)
    {
        if (context.Seat < 0) return Rejection.MissingRole;
        var known = context.Find<WatchedRecord>(WatchedRecord.Key(Origin));
        if (known?.Policy == Policy) return Rejection.AlreadyExists;
        var count = context.Find<CountRecord>(CountRecord.Watched)?.Value ?? 0;
        if (known is null && count >= Limits.WatchedLedgers) return Rejection.LimitReached;

        var key = AdmissionRecord.Key(Digest.Of(Wire.Encode(WriteArguments)));
        var seats = context.WithOwnSeat(context.Find<AdmissionRecord>(key)?.Seats ?? []);
        context.Put(key, new AdmissionRecord(seats));
        if (seats.Count < context.Validators.Quorum) return Rejection.None;

        context.Put(key, new AdmissionRecord([]));
        if (known is null) context.Put(CountRecord.Watched, new CountRecord(count + 1));
        context.Put(WatchedRecord.Key(Origin), known is null ? new WatchedRecord(Origin, Policy, 0, []) : known with { Policy = Policy }, "LedgerWatched");
        return Rejection.None;
    }
}

/// <summary>
/// Records a checkpoint of a watched ledger, by whoever carries it here: [checkpoint, proof that it continues the newest anchor]. One that the policy accepts and that gives an anchored size
/// another root shows that its signers have signed two histories.
/// </summary>
public sealed record RecordCheckpoint(string Note, IReadOnlyList<Digest> Proof) : ContractCall
{
    private const int MostHashes = 63;

    /// <inheritdoc/>
    public override string Contract => "anchor";

    /// <inheritdoc/>
    public override string Method => "Checkpoint";

    /// <inheritdoc/>
    public override void WriteArguments(CborWriter writer)
    {
        writer.WriteStartArray(2);
        writer.WriteTextString(Note);
        writer.WriteStartArray(Proof.Count);
        foreach (var hash in Proof) writer.Write(hash);
        writer.WriteEndArray();
        writer.WriteEndArray();
    }

    internal static RecordCheckpoint Read(CborReader reader)
    {
        reader.ReadArrayHead(2);
        var call = new RecordCheckpoint(reader.ReadText(Limits.PolicyLength), reader.ReadArray(MostHashes, Wire.ReadDigest));
        Wire.Require(SignedNote.TryParse(call.Note, out var note) && Checkpoint.TryParse(note!.Text, out var checkpoint) && checkpoint!.Size > 0);
        reader.ReadEndArray();
        return call;
    }

    internal override Rejection Apply(ContractContext context)
    {
        if (!SignedNote.TryParse(Note, out var note) || !Checkpoint.TryParse(note!.Text, out var checkpoint)) return Rejection.BadArguments;
        if (context.Find<WatchedRecord>(WatchedRecord.Key(checkpoint!.Origin)) is not { } watched) return Rejection.NotFound;
        var same = watched.Anchors.Where(anchor => anchor.Size == checkpoint.Size).ToArray();
        if (same.Length > 0) return same[0].Root == checkpoint.Root ? Rejection.AlreadyExists : ShowSplit(context, watched, note, same[0]);
        var newest = watched.Anchors.Count > 0 ? watched.Anchors[^1] : default;
        if (checkpoint.Size < newest.Size) return Rejection.OldCheckpoint;
        if (watched.Anchors.Count > 0 && context.TimeMs < watched.AnchoredMs + Limits.AnchorEveryMs) return Rejection.AnchoredJustNow;
        if (!Accepts(watched, note)) return Rejection.CheckpointNotTrusted;
        var continues = newest.Size == 0 ? Proof.Count == 0 : MerkleProof.VerifyConsistency(newest.Size, checkpoint.Size, Proof, newest.Root, checkpoint.Root);
        if (!continues) return Rejection.NotConsistent;

        Anchor[] anchors = [.. watched.Anchors.Skip(watched.Anchors.Count - WatchedRecord.Kept + 1), new Anchor(checkpoint.Size, checkpoint.Root)];
        context.Put(WatchedRecord.Key(checkpoint.Origin), watched with { AnchoredMs = context.TimeMs, Anchors = anchors }, "CheckpointAnchored");
        return Rejection.None;
    }

    private Rejection ShowSplit(ContractContext context, WatchedRecord watched, SignedNote note, Anchor anchor)
    {
        var key = SplitViewRecord.Key(watched.Origin);
        if (context.Find<SplitViewRecord>(key) is not null) return Rejection.AlreadyExists;
        if (!Accepts(watched, note)) return Rejection.CheckpointNotTrusted;
        context.Put(key, new SplitViewRecord(watched.Origin, anchor.Size, anchor.Root, Note), "SplitViewFound");
        return Rejection.None;
    }

    private static bool Accepts(WatchedRecord watched, SignedNote note) => TrustPolicy.TryParse(watched.Policy, out var policy, out _) && policy!.Accepts(note) is ReceiptCheck.Good;
}
