using System.Formats.Cbor;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Protocol.Contracts;

/// <summary>What is to become of a validator set; the numbers stand on the ledger.</summary>
public enum SeatChangeKind
{
    /// <summary>One more seat, the last one.</summary>
    Add = 1,
    /// <summary>A seat goes; those after it move up.</summary>
    Remove = 2,
    /// <summary>A seat gets other keys, or another organisation; its number stays.</summary>
    Replace = 3,
}

/// <summary>
/// One change of a validator set: [kind, transaction key id of the seat it is about | null, new entry | null]. Named by SHA-256("FLv1-change\0" ‖ bytes).
/// </summary>
public sealed record SeatChange(SeatChangeKind Kind, Identifier? Seat, Validator? Entry)
{
    /// <summary>Adds a seat.</summary>
    public static SeatChange Add(Validator entry) => new(SeatChangeKind.Add, null, entry);

    /// <summary>Removes the seat with this transaction key.</summary>
    public static SeatChange Remove(Identifier seat) => new(SeatChangeKind.Remove, seat, null);

    /// <summary>Gives the seat with this transaction key another entry.</summary>
    public static SeatChange Replace(Identifier seat, Validator entry) => new(SeatChangeKind.Replace, seat, entry);

    /// <summary>The name of the change.</summary>
    public Digest ComputeDigest() => Digest.Of([.. "FLv1-change\0"u8, .. Wire.Encode(Write)]);

    /// <summary>
    /// The seats after the change; null when it cannot be made: the seat is not there, a key would stand twice, the number of seats would leave 4 to 31 (fewer than
    /// four may not shrink), or an organisation would have more than max(1, f) of them.
    /// </summary>
    public IReadOnlyList<Validator>? ApplyTo(ValidatorSet current)
    {
        var at = Seat is { } seat ? current.SeatOf(seat) : current.Count;
        if (at < 0) return null;
        List<Validator> seats = [.. current.Seats];
        if (Seat is not null) seats.RemoveAt(at);
        if (Entry is not null) seats.Insert(at, Entry);
        if (seats.Count > Limits.Validators || seats.Count < Math.Min(current.Count, Limits.LeastValidators)) return null;
        var keys = new HashSet<Identifier>();
        if (!seats.SelectMany(member => member.KeyIds).All(keys.Add)) return null;
        var most = Math.Max(1, (seats.Count - 1) / 3);
        return seats.GroupBy(member => member.Organisation).All(votes => votes.Count() <= most) ? seats : null;
    }

    internal static SeatChange Read(CborReader reader)
    {
        reader.ReadArrayHead(3);
        var kind = (SeatChangeKind)reader.ReadNumber((int)SeatChangeKind.Replace);
        var seat = reader.ReadOptional(Wire.ReadIdentifier);
        Validator? entry = null;
        if (reader.PeekState() is CborReaderState.Null) reader.ReadNull(); else entry = Validator.Read(reader);
        Wire.Require(kind is not 0 && seat is null == kind is SeatChangeKind.Add && entry is null == kind is SeatChangeKind.Remove && (entry is null || entry.VoteKey is not null));
        reader.ReadEndArray();
        return new SeatChange(kind, seat, entry);
    }

    /// <summary>Writes the change.</summary>
    public void Write(CborWriter writer)
    {
        writer.WriteStartArray(3);
        writer.WriteInt32((int)Kind);
        if (Seat is { } seat) writer.Write(seat); else writer.WriteNull();
        if (Entry is null) writer.WriteNull(); else Entry.Write(writer);
        writer.WriteEndArray();
    }
}

/// <summary>How far a change is.</summary>
public enum ChangeState
{
    /// <summary>Seats vote.</summary>
    Open = 1,
    /// <summary>A quorum is for it; it waits for the seats that come in.</summary>
    Approved = 2,
    /// <summary>So many are against it that no quorum can be for it.</summary>
    Refused = 3,
    /// <summary>A sealing block made it.</summary>
    Sealed = 4,
    /// <summary>Its time was over.</summary>
    Lapsed = 5,
}

/// <summary>A proposed change and its votes: [change, time of the proposal, state, [seat for…], [seat against…]], seats by their transaction keys' ids.</summary>
public sealed record ChangeRecord(SeatChange Change, long TimeMs, ChangeState State, IReadOnlyList<Identifier> For, IReadOnlyList<Identifier> Against) : StateRecord
{
    /// <summary>What all state keys of this kind begin with.</summary>
    public const string Prefix = "changes/";

    /// <summary>The state key.</summary>
    public static string Key(Digest change) => $"{Prefix}{change}";

    /// <summary>Whether it may still be made.</summary>
    public bool IsPending => State is ChangeState.Open or ChangeState.Approved;

    internal static ChangeRecord Read(CborReader reader)
    {
        reader.ReadArrayHead(5);
        var record = new ChangeRecord(SeatChange.Read(reader), reader.ReadNumber(), (ChangeState)reader.ReadNumber((int)ChangeState.Lapsed), reader.ReadArray(Limits.Validators, Wire.ReadIdentifier), reader.ReadArray(Limits.Validators, Wire.ReadIdentifier));
        reader.ReadEndArray();
        return record;
    }

    /// <inheritdoc/>
    public override void Write(CborWriter writer)
    {
        writer.WriteStartArray(5);
        Change.Write(writer);
        writer.WriteInt64(TimeMs);
        writer.WriteInt32((int)State);
        writer.Write(For);
        writer.Write(Against);
        writer.WriteEndArray();
    }
}
