using System.Globalization;

namespace Orleans.Training.Protocol.Ledger;

/// <summary>Origin, size and root of a shard's tree: the three lines that a C2SP tlog-checkpoint signs.</summary>
public sealed record Checkpoint(string Origin, long Size, Digest Root)
{
    /// <summary>The note text, without extension lines.</summary>
    public string Text => string.Create(CultureInfo.InvariantCulture, $"{Origin}\n{Size}\n{Convert.ToBase64String(Root.ToArray())}\n");

    /// <summary>Parses a note text; extension lines are refused.</summary>
    public static bool TryParse(string text, out Checkpoint? checkpoint)
    {
        checkpoint = null;
        var lines = text.Split('\n');
        if (lines.Length != 4 || lines[0].Length == 0 || lines[3].Length != 0) return false;
        if (!long.TryParse(lines[1], NumberStyles.None, CultureInfo.InvariantCulture, out var size) || size.ToString(CultureInfo.InvariantCulture) != lines[1]) return false;
        if (!SignedNote.TryBase64(lines[2], Digest.Size, out var root)) return false;
        checkpoint = new Checkpoint(lines[0], size, Digest.From(root));
        return true;
    }
}
