using Orleans.Training.Protocol.Contracts;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Simulation;

/// <summary>What happens to a validator set; the bytes of a "change" transaction.</summary>
internal enum ReconfigurationKind : byte
{
    Add = 1,
    Remove,
    Replace,
    Redelegate,
}

/// <summary>A change of the validators of a simulated shard: nodes by their numbers, keys by a version.</summary>
internal sealed record Reconfiguration(ReconfigurationKind Kind, byte Node, byte Other, byte Version)
{
    public byte[] Encode() => [(byte)Kind, Node, Other, Version];

    public static Reconfiguration Decode(ReadOnlySpan<byte> bytes) => new((ReconfigurationKind)bytes[0], bytes[1], bytes[2], bytes[3]);

    /// <summary>The node and key version that come in; null for a removal.</summary>
    public (byte Node, byte Version)? Entering => Kind switch
    {
        ReconfigurationKind.Remove => null,
        ReconfigurationKind.Redelegate => (Node, Version),
        _ => (Other, 0),
    };

    public IReadOnlyList<Validator>? ApplyTo(ValidatorSet current, Func<int, int, Validator> entryOf)
    {
        var seat = entryOf(Node, 0).TransactionKey.Id;
        return Kind switch
        {
            ReconfigurationKind.Add => SeatChange.Add(entryOf(Other, 0)).ApplyTo(current),
            ReconfigurationKind.Remove => SeatChange.Remove(seat).ApplyTo(current),
            ReconfigurationKind.Replace => SeatChange.Replace(seat, entryOf(Other, 0)).ApplyTo(current),
            _ => current.SeatOf(seat) < 0 ? null : [.. current.Seats.Select(entry => entry.TransactionKey.Id == seat ? entry with { VoteKey = entryOf(Node, Version).VoteKey } : entry)],
        };
    }
}
