using Orleans.Training.Protocol;

namespace Orleans.Training.Grains.Links;

/// <summary>A relay: whose it is, and where it listens.</summary>
public sealed record RelayAddress(ParticipantId Organisation, Uri Address);

/// <summary>
/// What one organisation knows about the way to the other seats of a shard; its own affair, on no ledger (docs/spec/links.md §4). A text file, one statement a line:
/// <c>seat NAME [ADDRESS [KEY]]</c> for a seat that is reached by links, where its validator listens if it can be reached, and the id of its transaction key, which a newcomer cannot
/// read from the ledger yet; <c>relay NAME ADDRESS</c> for a relay and the organisation that runs it; <c>#</c> begins a comment.
/// </summary>
public sealed class LinkPeers
{
    private const int MaximumBytes = 64 * 1024;
    private const int MaximumRelays = 31;

    private LinkPeers(IReadOnlyDictionary<ParticipantId, Uri?> seats, IReadOnlySet<LinkIdentity> known, IReadOnlyList<RelayAddress> relays) => (Seats, Known, Relays) = (seats, known, relays);

    /// <summary>The seats that are reached by links; null for one that listens nowhere we know: it comes to us, or to a relay.</summary>
    public IReadOnlyDictionary<ParticipantId, Uri?> Seats { get; }

    /// <summary>The seats whose keys the file tells. They count as long as the own state gives the own organisation no seat.</summary>
    public IReadOnlySet<LinkIdentity> Known { get; }

    /// <summary>Where to wait for those who cannot reach us, and to look for those whom we cannot reach.</summary>
    public IReadOnlyList<RelayAddress> Relays { get; }

    /// <summary>Reads the file.</summary>
    /// <exception cref="OperationalException">OT-7040: it is missing, or a line is wrong; the message names it.</exception>
    public static LinkPeers Load(string path)
    {
        if (!File.Exists(path)) throw new OperationalException("OT-7040", $"There is no file {path}: write one with a line 'seat NAME ADDRESS' for each other seat.");
        if (new FileInfo(path).Length > MaximumBytes) throw new OperationalException("OT-7040", $"{path} has more than {MaximumBytes} bytes.");
        return Parse(File.ReadAllLines(path), path);
    }

    internal static LinkPeers Parse(IReadOnlyList<string> lines, string path)
    {
        var seats = new SortedDictionary<ParticipantId, Uri?>();
        var known = new HashSet<LinkIdentity>();
        var relays = new List<RelayAddress>();
        for (var number = 1; number <= lines.Count; number++)
        {
            var words = lines[number - 1].Split('#')[0].Split([' ', '\t'], StringSplitOptions.RemoveEmptyEntries);
            switch (words)
            {
                case []: break;
                case ["seat", var name]: Add(Name(name), null); break;
                case ["seat", var name, var address]: Add(Name(name), Address(address)); break;
                case ["seat", var name, var address, var key]:
                    Add(Name(name), Address(address));
                    known.Add(new LinkIdentity(Name(name), Key(key)));
                    break;
                case ["relay", var name, var address] when relays.Count < MaximumRelays: relays.Add(new RelayAddress(Name(name), Address(address))); break;
                default: throw Wrong("is neither 'seat NAME [ADDRESS [KEY]]' nor 'relay NAME ADDRESS'");
            }

            void Add(ParticipantId name, Uri? address)
            {
                if (!seats.TryAdd(name, address)) throw Wrong($"names the seat {name} a second time");
            }

            ParticipantId Name(string text) => ParticipantId.TryParse(text, out var name) ? name : throw Wrong($"has '{text}', which is no participant's name");

            Uri Address(string text) => Uri.TryCreate(text, UriKind.Absolute, out var address) && (address.Scheme == Uri.UriSchemeHttp || address.Scheme == Uri.UriSchemeHttps) && address.UserInfo.Length == 0
                ? address
                : throw Wrong($"has '{text}', which is no address such as https://validator.example:7443");

            Identifier Key(string text) => Identifier.TryParse(text, out var key) ? key : throw Wrong($"has '{text}', which is no id of a key");

            OperationalException Wrong(string what) => new("OT-7040", $"Line {number} of {path} {what}.");
        }

        return new LinkPeers(seats, known, relays);
    }
}
