using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Grains.Links;

/// <summary>A relay: whose it is, and where it listens.</summary>
public sealed record RelayAddress(ParticipantId Organisation, Uri Address);

/// <summary>
/// What one organisation knows about the way to the other seats of a shard; its own affair, on no ledger (docs/spec/links.md §4). A text file, one statement a line:
/// <c>seat NAME [ADDRESS]</c> for a seat that is reached by links, and where its validator listens if it can be reached; <c>relay NAME ADDRESS</c> for a relay and
/// the organisation that runs it; <c>#</c> begins a comment.
/// </summary>
public sealed class LinkPeers
{
    private const int MaximumBytes = 64 * 1024;
    private const int MaximumRelays = 31;

    private LinkPeers(IReadOnlyDictionary<ParticipantId, Uri?> seats, IReadOnlyList<RelayAddress> relays) => (Seats, Relays) = (seats, relays);

    /// <summary>The seats that are reached by links; null for one that listens nowhere we know: it comes to us, or to a relay.</summary>
    public IReadOnlyDictionary<ParticipantId, Uri?> Seats { get; }

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
        var relays = new List<RelayAddress>();
        for (var number = 1; number <= lines.Count; number++)
        {
            var words = lines[number - 1].Split('#')[0].Split([' ', '\t'], StringSplitOptions.RemoveEmptyEntries);
            switch (words)
            {
                case []: break;
                case ["seat", var name]: Add(Name(name), null); break;
                case ["seat", var name, var address]: Add(Name(name), Address(address)); break;
                case ["relay", var name, var address] when relays.Count < MaximumRelays: relays.Add(new RelayAddress(Name(name), Address(address))); break;
                default: throw Wrong("is neither 'seat NAME [ADDRESS]' nor 'relay NAME ADDRESS'");
            }

            void Add(ParticipantId name, Uri? address)
            {
                if (!seats.TryAdd(name, address)) throw Wrong($"names the seat {name} a second time");
            }

            ParticipantId Name(string text) => ParticipantId.TryParse(text, out var name) ? name : throw Wrong($"has '{text}', which is no participant's name");

            Uri Address(string text) => Uri.TryCreate(text, UriKind.Absolute, out var address) && (address.Scheme == Uri.UriSchemeHttp || address.Scheme == Uri.UriSchemeHttps) && address.UserInfo.Length == 0
                ? address
                : throw Wrong($"has '{text}', which is no address such as https://validator.example:7443");

            OperationalException Wrong(string what) => new("OT-7040", $"Line {number} of {path} {what}.");
        }

        return new LinkPeers(seats, relays);
    }

    /// <summary>Requires that every named seat is one of the shard's.</summary>
    /// <exception cref="OperationalException">OT-7041: one is not.</exception>
    public void Require(Genesis genesis)
    {
        foreach (var name in Seats.Keys)
        {
            if (!genesis.Validators.Seats.Any(seat => seat.Organisation == name)) throw new OperationalException("OT-7041", $"Shard {genesis.Shard} has no seat {name}: its seats are {string.Join(", ", genesis.Validators.Seats.Select(seat => seat.Organisation))}.");
        }
    }
}
