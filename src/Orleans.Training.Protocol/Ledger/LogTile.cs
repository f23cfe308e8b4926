using System.Globalization;
using System.Text;

namespace Orleans.Training.Protocol.Ledger;

/// <summary>
/// A tile of a log as c2sp.org/tlog-tiles names it: the hashes of one row of complete subtrees, or a bundle of entries. 256 wide, or less at the tree's right edge.
/// </summary>
/// <param name="Level">0 to 7: the tile holds roots of subtrees of 256^Level leaves; −1 for a bundle of entries.</param>
/// <param name="Index">The tile's number in its row.</param>
/// <param name="Width">How many hashes or entries it holds, 1 to 256.</param>
public readonly record struct LogTile(int Level, long Index, int Width)
{
    /// <summary>The width of a whole tile.</summary>
    public const int FullWidth = 256;

    /// <summary>Level of a bundle of entries.</summary>
    public const int Entries = -1;

    private const int MaximumLevel = 7;
    private const int MaximumPath = 64;

    /// <summary>Whether the tile can still grow.</summary>
    public bool IsPartial => Width < FullWidth;

    /// <summary>The number of the first hash of the row, or of the first entry, that the tile holds.</summary>
    public long First => Index * FullWidth;

    /// <summary>Parses <c>tile/L/N</c> or <c>tile/entries/N</c>, with <c>.p/W</c> for a partial one; only the one way to write it.</summary>
    public static bool TryParse(string path, out LogTile tile)
    {
        tile = default;
        if (path.Length > MaximumPath) return false;
        var parts = path.Split('/');
        if (parts.Length < 3 || parts[0] != "tile") return false;
        var level = parts[1] == "entries" ? Entries : Number(parts[1], MaximumLevel);
        if (level is null) return false;
        var width = FullWidth;
        var groups = parts[2..];
        if (groups.Length > 1 && groups[^2].EndsWith(".p", StringComparison.Ordinal))
        {
            if (Number(groups[^1], FullWidth - 1) is not (> 0 and var partial)) return false;
            width = partial;
            groups = [.. groups[..^2], groups[^2][..^2]];
        }

        long index = 0;
        for (var i = 0; i < groups.Length; i++)
        {
            var digits = i < groups.Length - 1 ? groups[i] is ['x', .. var rest] ? rest : "" : groups[i];
            if (digits.Length != 3 || !digits.All(char.IsAsciiDigit) || index > long.MaxValue / 1_000_000) return false;
            index = index * 1000 + int.Parse(digits, NumberStyles.None, CultureInfo.InvariantCulture);
        }

        if (index > long.MaxValue / FullWidth - 1) return false;
        tile = new LogTile(level.Value, index, width);
        return tile.ToString() == path;
    }

    /// <summary>The path, as <see cref="TryParse"/> takes it.</summary>
    public override string ToString()
    {
        var groups = (Index % 1000).ToString("D3", CultureInfo.InvariantCulture);
        for (var rest = Index / 1000; rest > 0; rest /= 1000) groups = $"x{(rest % 1000).ToString("D3", CultureInfo.InvariantCulture)}/{groups}";
        var path = new StringBuilder("tile/").Append(Level < 0 ? "entries" : Level.ToString(CultureInfo.InvariantCulture)).Append('/').Append(groups);
        return IsPartial ? path.Append(CultureInfo.InvariantCulture, $".p/{Width}").ToString() : path.ToString();
    }

    private static int? Number(string text, int limit) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number <= limit && number.ToString(CultureInfo.InvariantCulture) == text ? number : null;
}
