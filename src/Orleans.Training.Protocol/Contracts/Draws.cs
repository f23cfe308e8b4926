using System.Buffers.Binary;
using System.Formats.Cbor;
using System.Text;

namespace Orleans.Training.Protocol.Contracts;

/// <summary>What one seat puts into a draw: it commits to a secret number first, and shows it once a quorum has.</summary>
/// <param name="Seat">Id of its transaction key.</param>
/// <param name="Commitment">Of <see cref="DrawContract.Commit"/>.</param>
/// <param name="Value">The number, once it is shown.</param>
public sealed record Lot(Identifier Seat, Digest Commitment, Digest? Value);

/// <summary>
/// The draw of an agreement's groups, or of the graph of an attempt: [number, [[seat, commitment, value | null]…], deadline | null], with the attempt's state key behind them. It has a deadline from the commitment of a quorum on; when it passes, the draw begins anew under the next number.
/// </summary>
public sealed record DrawRecord(int Number, IReadOnlyList<Lot> Lots, long? DeadlineMs, string? Round = null) : StateRecord
{
    /// <summary>What all state keys of this kind begin with.</summary>
    public const string Prefix = "draws/";

    private const int LongestKey = 128;

    /// <summary>The state key.</summary>
    /// <param name="subject">The agreement, or ctx of the attempt.</param>
    public static string Key(Digest subject) => Prefix + subject;

    /// <summary>The numbers that were shown, in the order of their commitments.</summary>
    public IReadOnlyList<Digest> Shown => [.. Lots.Where(lot => lot.Value is not null).Select(lot => lot.Value!.Value)];

    /// <summary>Whether a quorum has committed.</summary>
    public bool IsCommitted => DeadlineMs is not null;

    /// <summary>What a seat put in, or null.</summary>
    public Lot? LotOf(Identifier seat) => Lots.FirstOrDefault(lot => lot.Seat == seat);

    internal static DrawRecord Read(CborReader reader)
    {
        var items = reader.ReadStartArray();
        Wire.Require(items is 3 or 4);
        var record = new DrawRecord(reader.ReadNumber(int.MaxValue), reader.ReadArray(Limits.Validators, ReadLot), reader.ReadOptional(Wire.ReadNumber));
        if (items == 4) record = record with { Round = reader.ReadText(LongestKey) };
        reader.ReadEndArray();
        return record;
    }

    private static Lot ReadLot(CborReader reader)
    {
        reader.ReadArrayHead(3);
        var lot = new Lot(reader.ReadIdentifier(), reader.ReadDigest(), reader.ReadOptional(Wire.ReadDigest));
        reader.ReadEndArray();
        return lot;
    }

    /// <inheritdoc/>
    public override void Write(CborWriter writer)
    {
        writer.WriteStartArray(Round is null ? 3 : 4);
        writer.WriteInt32(Number);
        writer.WriteStartArray(Lots.Count);
        foreach (var lot in Lots)
        {
            writer.WriteStartArray(3);
            writer.Write(lot.Seat);
            writer.Write(lot.Commitment);
            if (lot.Value is { } value) writer.Write(value); else writer.WriteNull();
            writer.WriteEndArray();
        }

        writer.WriteEndArray();
        if (DeadlineMs is { } deadline) writer.WriteInt64(deadline); else writer.WriteNull();
        if (Round is not null) writer.WriteTextString(Round);
        writer.WriteEndArray();
    }
}

/// <summary>A seat's commitment to its number in a draw: [subject, number of the draw, commitment].</summary>
public sealed record CommitLot(Digest Subject, int Number, Digest Commitment) : ContractCall
{
    /// <inheritdoc/>
    public override string Contract => "draw";

    /// <inheritdoc/>
    public override string Method => "Commit";

    /// <inheritdoc/>
    public override void WriteArguments(CborWriter writer) => DrawContract.Write(writer, Subject, Number, Commitment);

    internal static CommitLot Read(CborReader reader) => DrawContract.Read(reader, (subject, number, commitment) => new CommitLot(subject, number, commitment));

    internal override Rejection Apply(ContractContext context)
    {
        if (DrawContract.Find(context, Subject, Number, out var draw) is var rejection and not Rejection.None) return rejection;
        if (draw!.IsCommitted) return Rejection.Late;
        if (draw.LotOf(context.KeyId) is not null) return Rejection.AlreadyExists;
        // A seat that is gone could not show its number.
        Lot[] lots = [.. draw.Lots.Where(lot => context.Validators.Seats.Any(seat => seat.TransactionKey.Id == lot.Seat)), new Lot(context.KeyId, Commitment, null)];
        long? deadline = lots.Length >= context.Validators.Quorum ? context.TimeMs + DrawContract.WindowMs : null;
        context.SetDeadline(DrawRecord.Key(Subject), null, deadline);
        context.Put(DrawRecord.Key(Subject), draw with { Lots = lots, DeadlineMs = deadline }, "LotCommitted");
        return Rejection.None;
    }
}

/// <summary>The number that a seat committed to: [subject, number of the draw, value]. With f + 1 of them it is drawn.</summary>
public sealed record RevealLot(Digest Subject, int Number, Digest Value) : ContractCall
{
    /// <inheritdoc/>
    public override string Contract => "draw";

    /// <inheritdoc/>
    public override string Method => "Reveal";

    /// <inheritdoc/>
    public override void WriteArguments(CborWriter writer) => DrawContract.Write(writer, Subject, Number, Value);

    internal static RevealLot Read(CborReader reader) => DrawContract.Read(reader, (subject, number, value) => new RevealLot(subject, number, value));

    internal override Rejection Apply(ContractContext context)
    {
        if (DrawContract.Find(context, Subject, Number, out var draw) is var rejection and not Rejection.None) return rejection;
        if (!draw!.IsCommitted) return Rejection.WrongPhase;
        if (draw.LotOf(context.KeyId) is not { } own) return Rejection.NotInCohort;
        if (own.Value is not null) return Rejection.AlreadyExists;
        if (DrawContract.Commit(Subject, Number, context.KeyId, Value) != own.Commitment) return Rejection.WrongSecret;

        draw = draw with { Lots = [.. draw.Lots.Select(lot => lot.Seat == context.KeyId ? lot with { Value = Value } : lot)] };
        context.Put(DrawRecord.Key(Subject), draw, "LotRevealed");
        if (draw.Lots.Count(lot => lot.Value is not null) > context.Validators.MaxFaulty) DrawContract.Finish(context, Subject, draw);
        return Rejection.None;
    }
}

/// <summary>
/// How validators draw what nobody of them can choose: each commits to a number, and what f + 1 of a committed quorum then show is hashed. One of those is honest and was fixed before any was known; f that show
/// nothing cannot stop it. Who is last can decide whether its own number counts, and no more than that.
/// </summary>
public static class DrawContract
{
    /// <summary>How long a committed draw waits for f + 1 numbers, in ms of block time.</summary>
    public const long WindowMs = 60_000;

    /// <summary>SHA-256("FLv1-lot\0" ‖ subject ‖ number of the draw (32 bit, big-endian) ‖ key id ‖ 0x00 ‖ value).</summary>
    public static Digest Commit(Digest subject, int number, Identifier seat, Digest value) =>
        Digest.Of([.. "FLv1-lot\0"u8, .. subject.ToArray(), .. BigEndian(number), .. Encoding.ASCII.GetBytes(seat.ToString()), 0, .. value.ToArray()]);

    internal static Rejection Find(ContractContext context, Digest subject, int number, out DrawRecord? draw)
    {
        draw = context.Find<DrawRecord>(DrawRecord.Key(subject));
        if (draw is null) return Rejection.NotFound;
        if (context.Seat < 0) return Rejection.MissingRole;
        if (number > draw.Number) return Rejection.WrongPhase;
        return number < draw.Number || !IsOpen(context, subject, draw) ? Rejection.Late : Rejection.None;
    }

    /// <summary>Draws. An attempt takes the values as they are; groups are drawn by SHA-256("FLv1-draw\0" ‖ agreement ‖ number of the draw (32 bit, big-endian) ‖ the values in the order of their commitments).</summary>
    internal static void Finish(ContractContext context, Digest subject, DrawRecord draw)
    {
        context.SetDeadline(DrawRecord.Key(subject), draw.DeadlineMs, null);
        if (draw.Round is { } round)
        {
            MaskedRoundContract.OnDrawn(context, context.Find<RoundRecord>(round)!);
            return;
        }

        var value = Digest.Of([.. "FLv1-draw\0"u8, .. subject.ToArray(), .. BigEndian(draw.Number), .. draw.Shown.SelectMany(shown => shown.ToArray())]);
        var key = AgreementRecord.Key(subject);
        context.Put(key, context.Find<AgreementRecord>(key)! with { Draw = value }, "GroupsDrawn");
    }

    /// <summary>Begins anew: too few have shown their numbers.</summary>
    internal static void OnDeadline(ContractContext context, string key)
    {
        var draw = context.Find<DrawRecord>(key);
        // That of groups has a deadline only as long as it is open.
        if (draw is not null && (draw.Round is null || IsOpen(context, default, draw))) context.Put(key, draw with { Number = draw.Number + 1, Lots = [], DeadlineMs = null }, "DrawFailed");
    }

    // Whether the draw is still waited for: of an attempt by its phase, of an agreement's groups as long as there are none.
    private static bool IsOpen(ContractContext context, Digest agreement, DrawRecord draw) => draw.Round is { } round
        ? context.Find<RoundRecord>(round) is { Phase: Phase.DrawGraph }
        : context.Find<AgreementRecord>(AgreementRecord.Key(agreement))!.Draw is null;

    internal static void Write(CborWriter writer, Digest agreement, int number, Digest digest)
    {
        writer.WriteStartArray(3);
        writer.Write(agreement);
        writer.WriteInt32(number);
        writer.Write(digest);
        writer.WriteEndArray();
    }

    internal static T Read<T>(CborReader reader, Func<Digest, int, Digest, T> create)
    {
        reader.ReadArrayHead(3);
        var call = create(reader.ReadDigest(), reader.ReadNumber(int.MaxValue), reader.ReadDigest());
        reader.ReadEndArray();
        return call;
    }

    private static byte[] BigEndian(int number)
    {
        var bytes = new byte[sizeof(int)];
        BinaryPrimitives.WriteInt32BigEndian(bytes, number);
        return bytes;
    }
}
