using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Contracts;
using Orleans.Training.Protocol.Ledger;
using Orleans.Training.Grains.History;

namespace Orleans.Training.Simulation;

/// <summary>
/// A Byzantine seat that never votes, so that nothing can be proven of it: it attests snapshots of states that never were, as all its like do, offers them, serves them and others with a changed byte, and accuses the honest with votes that they
/// have not signed.
/// </summary>
internal sealed class Forger
{
    private readonly World _world;
    private readonly SortedDictionary<ulong, (Digest Block, Digest Name, byte[] Bytes)> _lies = [];
    private ulong _looked;

    public Forger(World world, int node)
    {
        (_world, Node) = (world, node);
        KeepAttesting();
    }

    public int Node { get; }

    public void Receive(int from, ConsensusMessage message)
    {
        switch (message)
        {
            case GetSnapshot ask: Answer(from, ask); break;
            case StatusMessage { WantsReply: true } status: _world.Send(Node, from, new StatusMessage(status.Era, status.View, status.FinalView, status.FinalHeight + 100, [], false)); break;
            case VoteMessage { Vote: { Vote.Kind: VoteKind.Notarize } vote } when !_world.IsStable && _world.Chance.Percent(2): Accuse(vote); break;
        }
    }

    /// <summary>Whatever somebody may take for a snapshot of this height.</summary>
    public byte[]? Serve(SnapshotRecord snapshot, byte[]? real)
    {
        if (_lies.TryGetValue(snapshot.Height, out var lie) && (lie.Name == snapshot.Name || _world.Chance.Percent(50))) return lie.Bytes;
        if (real is null) return null;
        byte[] changed = [.. real];
        changed[_world.Chance.Below(changed.Length)] ^= (byte)(1 << _world.Chance.Below(8));
        return changed;
    }

    private void KeepAttesting()
    {
        _world.After(_world.Chance.Between(20_000, 200_000), KeepAttesting);
        var head = _world.Watch?.Tip;
        while (head is not null && _looked < head.Block.Header.Height)
        {
            var executed = _world.Watch!.At(++_looked);
            if (!Snapshot.IsDue(executed, LedgerShard.Interval)) continue;
            var state = LedgerState.Of(executed);
            var never = executed with { State = state with { Contracts = state.Contracts.With([KeyValuePair.Create<string, StateRecord>(CountRecord.Participants, new CountRecord(4_711))], state.Contracts.Deadlines) } };
            var (block, name) = (executed.Block.Digest, Snapshots.NameOf(never));
            _lies[_looked] = (block, name, [.. Snapshot.Write(never).SelectMany(part => part)]);
            _world.SubmitToAll(_world.Write(Node, new AttestSnapshot(_looked, block, name)));
        }
    }

    private void Answer(int to, GetSnapshot ask)
    {
        // It knows what everybody knows.
        if (_world.Hosts.Select(host => host.Clerk!.Offer(ask, static _ => true)).FirstOrDefault(offer => offer is not null) is not { Snapshot: { } snapshot } offer) return;
        if (_lies.TryGetValue(snapshot.Height, out var lie)) offer = offer with { Events = [.. offer.Events.Select(item => item.Record is SnapshotRecord record ? item with { Record = record with { Name = lie.Name } } : item)] };
        _world.Send(Node, to, offer);
    }

    private void Accuse(SignedVote heard)
    {
        var other = Vote.Notarize(heard.Vote.Era, heard.Vote.View, heard.Vote.ParentView, Digest.Of(heard.Vote.Digest.ToArray()));
        if (_world.Witness.Find(heard.Vote.Era) is not var (set, _) || set.Seats[heard.Seat].VoteKey is not { } key) return;
        var genesis = _world.Ledger!.Genesis;
        _world.SubmitToAll(_world.Write(Node, new Convict(new Evidence(genesis.Chain, genesis.Shard, key, heard, new SignedVote(other, heard.Seat, _world.Ledger.Sign(Node, other))).Encode())));
    }
}
