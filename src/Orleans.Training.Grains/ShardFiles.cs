using System.Collections.Concurrent;
using Orleans.Training.Grains.Keys;
using Orleans.Training.Grains.Links;
using Orleans.Training.Grains.Validators;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Grains;

/// <summary>
/// Where one machine keeps shards, keys and blobs, below one folder: <c>shards/ID/genesis.cbor</c>, <c>shards/ID/validators/NAME</c>, <c>keys/NAME</c>, <c>blobs</c>.
/// A participant's keys lie in a folder of its own; only a process labelled with that participant opens it.
/// </summary>
public sealed class ShardFiles(string root)
{
    private readonly ConcurrentDictionary<Identifier, Genesis> _known = [];

    public string BlobFolder => Path.Combine(root, "blobs");

    public string KeyRoot => Path.Combine(root, "keys");

    public string JournalFolder(Identifier shard, ParticipantId validator) => Path.Combine(root, "shards", shard.ToString(), "validators", validator.Name);

    /// <summary>Where a validator keeps what follows from its journal.</summary>
    public string HistoryFolder(Identifier shard, ParticipantId validator) => Path.Combine(root, "shards", shard.ToString(), "history", validator.Name);

    /// <summary>Where validators of this machine keep proofs of other seats' faults.</summary>
    public string EvidenceFolder(Identifier shard) => Path.Combine(root, "shards", shard.ToString(), "evidence");

    /// <summary>Where a participant keeps what it must remember of masked attempts; nobody else's process opens it.</summary>
    public string MaskFolder(Identifier shard, ParticipantId participant) => Path.Combine(KeyRoot, participant.Name, "masks", shard.ToString());

    /// <summary>Where a participant keeps its control variates of a run; nobody else's process opens it.</summary>
    public string VariateFolder(Identifier shard, ParticipantId participant, Digest agreement) => Path.Combine(KeyRoot, participant.Name, "variates", shard.ToString(), agreement.ToString());

    public string GenesisFile(Identifier shard) => Path.Combine(root, "shards", shard.ToString(), "genesis.cbor");

    /// <summary>The seats of a shard that live outside the cluster, from <c>shards/ID/peers</c>; null when there is no such file, and all seats are the cluster's.</summary>
    /// <exception cref="OperationalException">OT-7040: the file is wrong.</exception>
    public LinkPeers? PeersOf(Identifier shard)
    {
        var path = Path.Combine(root, "shards", shard.ToString(), "peers");
        return File.Exists(path) ? LinkPeers.Load(path) : null;
    }

    /// <summary>The API key with which this machine reads from validators elsewhere, from <c>shards/ID/reading.key</c>; null when there is none.</summary>
    public string? ReadingKeyOf(Identifier shard)
    {
        var path = Path.Combine(root, "shards", shard.ToString(), "reading.key");
        return File.Exists(path) ? File.ReadAllText(path).Trim() : null;
    }

    /// <summary>The shards that this machine has a genesis of, in order.</summary>
    public IReadOnlyList<Identifier> Shards
    {
        get
        {
            var folder = Path.Combine(root, "shards");
            if (!Directory.Exists(folder)) return [];
            return [.. Directory.EnumerateDirectories(folder).Select(Path.GetFileName).Order(StringComparer.Ordinal).Where(name => Identifier.TryParse(name, out var shard) && File.Exists(GenesisFile(shard)))
                .Select(name => Identifier.TryParse(name, out var shard) ? shard : default)];
        }
    }

    /// <summary>The genesis of a shard.</summary>
    /// <exception cref="OperationalException">OT-7023: this machine has none for the shard, or it is damaged.</exception>
    public Genesis Genesis(Identifier shard) => _known.GetOrAdd(shard, Load);

    /// <summary>Keeps a genesis that came from elsewhere.</summary>
    /// <exception cref="OperationalException">OT-7023: this machine has another one of that shard.</exception>
    public Genesis Keep(Genesis genesis)
    {
        var path = GenesisFile(genesis.Shard);
        if (!File.Exists(path))
        {
            DurableFiles.CreateFolder(Path.GetDirectoryName(path)!);
            DurableFiles.Write(path, genesis.Encode());
        }

        return Genesis(genesis.Shard) is { } known && known.Chain == genesis.Chain ? known : throw new OperationalException("OT-7023", $"{path} is the genesis of another chain than {genesis.Chain}: compare both with another participant's.");
    }

    /// <summary>Opens the keys of a validator's seat; there may be none to vote with.</summary>
    public static ValidatorKeys OpenSeat(KeyFolder folder) => new(folder.Open(KeyFolder.IdentityKey), new VoteKeys(folder), folder.Open("cosign"), folder.Open("log"));

    private Genesis Load(Identifier shard)
    {
        var path = GenesisFile(shard);
        if (!File.Exists(path)) throw new OperationalException("OT-7023", $"There is no genesis of shard {shard} here ({path}): copy it from any participant of the federation.");
        return Protocol.Ledger.Genesis.TryParse(File.ReadAllBytes(path), out var genesis) && genesis!.Shard == shard
            ? genesis
            : throw new OperationalException("OT-7023", $"{path} is not the genesis of shard {shard}: copy it again and compare its digest with another participant's.");
    }
}
