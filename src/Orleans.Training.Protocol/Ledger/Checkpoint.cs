using System.Globalization;

namespace Orleans.Training.Protocol.Ledger;

/// <summary>Origin, size and root of a shard's tree: the three lines that a C2SP tlog-checkpoint signs.</summary>
public sealed record Checkpoint(string Origin, long Size, Digest Root)
{
    /// <summary>The note text, without extension lines.</summary>
    public string Text => string.Create(CultureInfo.InvariantCulture, $"{Origin}\n{Size}\n{Convert.ToBase64String(Root.ToArray())}\n");

    /// <summary>Parses a note text; extension lines are refused.</summary>
    public static bool TryParse(string text, out Checkpoint? checkpoint) => TryParseExtended(text, out checkpoint) && text.Count('\n') == 3;

    /// <summary>Parses the note text of any log: extension lines, none of them empty, may follow, and say nothing about the tree.</summary>
    public static bool TryParseExtended(string text, out Checkpoint? checkpoint)
    {
        checkpoint = null;
        var lines = text.Split('\n');
        if (lines.Length < 4 || lines[^1].Length != 0 || lines[0].Length == 0 || lines[3..^1].Any(line => line.Length == 0)) return false;
        if (!TryParseSize(lines[1], out var size)) return false;
        if (!SignedNote.TryBase64(lines[2], Digest.Size, out var root)) return false;
        checkpoint = new Checkpoint(lines[0], size, Digest.From(root));
        return true;
    }

    // In its one spelling: no sign, no leading zero.
    internal static bool TryParseSize(string text, out long size) => long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out size) && size.ToString(CultureInfo.InvariantCulture) == text;
}
