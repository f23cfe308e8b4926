using System.Collections.Concurrent;
using System.Globalization;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Simulation;

/// <summary>Names, keys and signatures of seats that cost nothing: who signed is believed.</summary>
internal static class SimulatedSeat
{
    private static readonly ConcurrentDictionary<(int Node, int Version), Validator> Entries = [];
    private static readonly byte[][] SeatSignatures = [.. Enumerable.Range(0, Limits.Validators).Select(seat => Enumerable.Repeat((byte)(seat + 1), Signatures.Size).ToArray())];

    public static byte[] SignatureOf(int seat) => SeatSignatures[seat];

    public static Validator Entry(int node, int version) => Entries.GetOrAdd((node, version), static name =>
    {
        PublicKey Key(int role)
        {
            byte[] bytes = [.. Enumerable.Repeat((byte)(name.Node * 4 + role), 31), (byte)(role == 1 ? name.Version : 0)];
            _ = PublicKey.TryCreate(SignatureAlgorithm.Ed25519, bytes, out var key);
            return key!;
        }

        return new Validator(NameOf(name.Node), Key(0), Key(1), Key(2), Key(3));
    });

    public static ParticipantId NameOf(int node) => ParticipantId.Parse($"validator-{node}");

    /// <summary>The node whose entry this is.</summary>
    public static int NodeOf(Validator entry) => NodeOf(entry.Organisation);

    public static int NodeOf(ParticipantId organisation) => int.Parse(organisation.Name.AsSpan("validator-".Length), CultureInfo.InvariantCulture);
}
