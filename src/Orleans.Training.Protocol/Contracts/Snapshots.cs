using System.Formats.Cbor;

namespace Orleans.Training.Protocol.Contracts;

/// <summary>
/// That the state after a final block has a snapshot of this name: [height, block, name, at]. What a seat has said last stands under its transaction key; what a quorum has said last under <see cref="Attested"/>.
/// </summary>
/// <param name="Height">The block's height.</param>
/// <param name="Block">Its digest.</param>
/// <param name="Name">The snapshot's name as a blob.</param>
/// <param name="At">Height of the block that wrote this record.</param>
public sealed record SnapshotRecord(ulong Height, Digest Block, Digest Name, ulong At) : StateRecord
{
    /// <summary>What all state keys of this kind begin with.</summary>
    public const string Prefix = "snapshots/";

    /// <summary>The state key of the newest snapshot that a quorum of seats has attested.</summary>
    public const string Attested = Prefix + "attested";

    /// <summary>The event that says so.</summary>
    public const string AttestedEvent = "SnapshotAttested";

    /// <summary>The state key of what a seat has said last.</summary>
    public static string Key(Identifier seat) => $"{Prefix}seats/{seat}";

    /// <summary>Whether both are about the same snapshot.</summary>
    internal bool Agrees(SnapshotRecord other) => (Height, Block, Name) == (other.Height, other.Block, other.Name);

    internal static SnapshotRecord Read(CborReader reader)
    {
        reader.ReadArrayHead(4);
        var record = new SnapshotRecord((ulong)reader.ReadNumber(), reader.ReadDigest(), reader.ReadDigest(), (ulong)reader.ReadNumber());
        Wire.Require(record.Height < record.At);
        reader.ReadEndArray();
        return record;
    }

    /// <inheritdoc/>
    public override void Write(CborWriter writer)
    {
        writer.WriteStartArray(4);
        writer.WriteUInt64(Height);
        writer.Write(Block);
        writer.Write(Name);
        writer.WriteUInt64(At);
        writer.WriteEndArray();
    }
}

/// <summary>
/// A seat's word that it has the state after a final block, and that its snapshot has this name: [height, block, name]. When a quorum of the present seats has said the same, whoever comes later may begin there
/// (docs/spec/snapshot.md §3).
/// </summary>
public sealed record AttestSnapshot(ulong Height, Digest Block, Digest Name) : ContractCall
{
    /// <inheritdoc/>
    public override string Contract => "snapshot";

    /// <inheritdoc/>
    public override string Method => "Attest";

    /// <inheritdoc/>
    public override void WriteArguments(CborWriter writer)
    {
        writer.WriteStartArray(3);
        writer.WriteUInt64(Height);
        writer.Write(Block);
        writer.Write(Name);
        writer.WriteEndArray();
    }

    internal static AttestSnapshot Read(CborReader reader)
    {
        reader.ReadArrayHead(3);
        var call = new AttestSnapshot((ulong)reader.ReadNumber(), reader.ReadDigest(), reader.ReadDigest());
        reader.ReadEndArray();
        return call;
    }

    /// <summary>Whether the word of a seat for a snapshot of this height would say something new.</summary>
    public static bool IsNews(ContractState state, Identifier seat, ulong height) => !IsKnown(state.Find<SnapshotRecord>, seat, height);

    internal override Rejection Apply(ContractContext context)
    {
        if (context.Seat < 0) return Rejection.MissingRole;
        if (Height >= context.Scope.Height) return Rejection.NotFound;
        var said = new SnapshotRecord(Height, Block, Name, context.Scope.Height);
        if (IsKnown(context.Find<SnapshotRecord>, context.KeyId, Height)) return Rejection.AlreadyExists;
        context.Put(SnapshotRecord.Key(context.KeyId), said);
        if (context.Validators.Seats.Count(seat => context.Find<SnapshotRecord>(SnapshotRecord.Key(seat.TransactionKey.Id))?.Agrees(said) is true) >= context.Scope.Rules.Attesters(context.Validators))
            context.Put(SnapshotRecord.Attested, said, SnapshotRecord.AttestedEvent);
        return Rejection.None;
    }

    private static bool IsKnown(Func<string, SnapshotRecord?> find, Identifier seat, ulong height) => find(SnapshotRecord.Attested)?.Height >= height || find(SnapshotRecord.Key(seat))?.Height >= height;
}
