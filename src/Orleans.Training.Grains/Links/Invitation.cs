using System.Globalization;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Grains.Links;

/// <summary>
/// What an organisation is given that is to come in (docs/spec/links.md §9): a text file with the genesis, the ways to those who are there, and a day on which it is too old to be of use. Nothing
/// in it is secret, and it gives no right: that, a quorum gives on the ledger.
/// </summary>
/// <param name="Genesis">The shard's genesis.</param>
/// <param name="Expires">When addresses and keys should be asked for again.</param>
/// <param name="Peers">The lines of a file of peers.</param>
public sealed record Invitation(Genesis Genesis, DateTimeOffset Expires, IReadOnlyList<string> Peers)
{
    private const string First = "otrain-invitation 1";
    private const int MaximumBytes = 64 * 1024;

    /// <summary>The lines of the file.</summary>
    public IEnumerable<string> Lines =>
    [
        First,
        $"genesis {Convert.ToBase64String(Genesis.Encode())}",
        $"expires {Expires.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture)}",
        .. Peers,
    ];

    /// <summary>Reads the file.</summary>
    /// <exception cref="OperationalException">OT-7047: it is none, or its time is over.</exception>
    public static Invitation Load(string path, DateTimeOffset now)
    {
        if (!File.Exists(path) || new FileInfo(path).Length > MaximumBytes) throw new OperationalException("OT-7047", $"There is no invitation {path} of at most {MaximumBytes} bytes.");
        var invitation = Parse(File.ReadAllLines(path), path);
        return now < invitation.Expires ? invitation : throw new OperationalException("OT-7047", $"The time of {path} was over at {invitation.Expires:u}: ask for another one.");
    }

    internal static Invitation Parse(IReadOnlyList<string> lines, string path)
    {
        if (lines.Count < 4 || lines[0] != First || lines[1].Split(' ') is not ["genesis", var text] || lines[2].Split(' ') is not ["expires", var time]) throw Wrong("does not begin as one");
        var bytes = new byte[text.Length];
        if (!Convert.TryFromBase64String(text, bytes, out var length) || !Genesis.TryParse(bytes.AsMemory(0, length), out var genesis)) throw Wrong("holds no genesis");
        if (!DateTimeOffset.TryParseExact(time, "yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var expires)) throw Wrong($"has the time '{time}', which is not written as 2026-12-01T00:00:00Z");
        string[] peers = [.. lines.Skip(3)];
        if (LinkPeers.Parse(peers, path).Seats.Values.All(address => address is null)) throw Wrong("has no address of anybody");
        return new Invitation(genesis!, expires, peers);

        OperationalException Wrong(string what) => new("OT-7047", $"{path} is no invitation: it {what}. Get it again.");
    }
}
