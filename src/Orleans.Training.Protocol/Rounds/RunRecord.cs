using System.Formats.Cbor;

namespace Orleans.Training.Protocol.Contracts;

/// <summary>
/// One execution of an agreement: rounds published so far, the newest model, failed attempts at the next round, and, when it could not go on, why.
/// [agreement, published rounds, model, attempts, failure | null].
/// </summary>
public sealed record RunRecord(Digest Agreement, int PublishedRounds, Digest Model, int Attempts, RoundFailure? Failure) : StateRecord
{
    /// <summary>Attempts that a round has before its run fails.</summary>
    public const int MaxAttempts = 3;

    /// <summary>The state key.</summary>
    public static string Key(Digest agreement) => Prefix + agreement;

    /// <summary>What all state keys of this kind begin with.</summary>
    public const string Prefix = "runs/";

    internal static RunRecord Read(CborReader reader)
    {
        reader.ReadArrayHead(5);
        var record = new RunRecord(reader.ReadDigest(), reader.ReadNumber(Limits.Rounds), reader.ReadDigest(), reader.ReadNumber(MaxAttempts), (RoundFailure?)reader.ReadOptional(item => item.ReadNumber(99)));
        reader.ReadEndArray();
        return record;
    }

    /// <inheritdoc/>
    public override void Write(CborWriter writer)
    {
        writer.WriteStartArray(5);
        writer.Write(Agreement);
        writer.WriteInt32(PublishedRounds);
        writer.Write(Model);
        writer.WriteInt32(Attempts);
        if (Failure is { } failure) writer.WriteInt32((int)failure); else writer.WriteNull();
        writer.WriteEndArray();
    }
}

/// <summary>A published model: [digest, parent, agreement, round, root of the model's chunks, root of the sum's, weight of the sum, attesting seats].</summary>
public sealed record ModelRecord(Digest Model, Digest Parent, Digest Agreement, int Round, Digest Root, Digest SumRoot, long SumWeight, uint Attesters) : StateRecord
{
    /// <summary>The state key: models are listed by run and round.</summary>
    public static string Key(Digest agreement, int round) => $"{Prefix}{agreement}/{round:D6}";

    /// <summary>What all state keys of this kind begin with.</summary>
    public const string Prefix = "models/";

    internal static ModelRecord Read(CborReader reader)
    {
        reader.ReadArrayHead(8);
        var record = new ModelRecord(reader.ReadDigest(), reader.ReadDigest(), reader.ReadDigest(), reader.ReadNumber(Limits.Rounds), reader.ReadDigest(), reader.ReadDigest(), reader.ReadNumber(), reader.ReadUInt32());
        reader.ReadEndArray();
        return record;
    }

    /// <inheritdoc/>
    public override void Write(CborWriter writer)
    {
        writer.WriteStartArray(8);
        writer.Write(Model);
        writer.Write(Parent);
        writer.Write(Agreement);
        writer.WriteInt32(Round);
        writer.Write(Root);
        writer.Write(SumRoot);
        writer.WriteInt64(SumWeight);
        writer.WriteUInt32(Attesters);
        writer.WriteEndArray();
    }
}
