using System.Formats.Cbor;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Contracts;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Grains.Validators;

/// <summary>What a validator tells people who decide about its set: [record of the present validators, [record of a pending change…]], each a byte string. Not signed: they ask their own validator.</summary>
/// <param name="Present">The validators of the present era.</param>
/// <param name="Changes">The changes that are open or approved, oldest first.</param>
public sealed record GovernanceState(ValidatorSet Present, IReadOnlyList<ChangeRecord> Changes)
{
    private const int MostBytes = 128 * 1024;

    /// <summary>As a final state has it.</summary>
    public static GovernanceState Of(LedgerState state) =>
        new(state.Validators, [.. state.Contracts.All<ChangeRecord>(ChangeRecord.Prefix).Where(change => change.IsPending).OrderBy(change => change.TimeMs)]);

    /// <summary>The bytes that are sent.</summary>
    public byte[] Encode() => Wire.Encode(writer =>
    {
        writer.WriteStartArray(2);
        writer.WriteByteString(Present.Encode());
        writer.WriteStartArray(Changes.Count);
        foreach (var change in Changes) writer.WriteByteString(change.Encode());
        writer.WriteEndArray();
        writer.WriteEndArray();
    });

    /// <summary>Reads what <see cref="Encode"/> wrote.</summary>
    public static bool TryParse(ReadOnlyMemory<byte> bytes, out GovernanceState? state) => Wire.TryDecode(bytes, MostBytes, Read, out state!);

    private static GovernanceState Read(CborReader reader)
    {
        reader.ReadArrayHead(2);
        Wire.Require(Wire.TryDecode(reader.ReadBytes(MostBytes), MostBytes, ValidatorSet.Read, out var present));
        var changes = reader.ReadArray(Limits.OpenChanges, inner =>
        {
            Wire.Require(StateRecord.TryParse(ChangeRecord.Prefix, inner.ReadBytes(MostBytes), out var record) && record is ChangeRecord { IsPending: true });
            return (ChangeRecord)record!;
        });
        reader.ReadEndArray();
        return new GovernanceState(present, changes);
    }
}
