using System.Text.RegularExpressions;

namespace Orleans.Training.Tests.Tidy;

/// <summary>Just enough C# to count the lines of members: text and comments are blanked, braces are matched.</summary>
internal static partial class SourceText
{
    /// <summary>Every member with a body in braces: the line of its head and its number of lines.</summary>
    public static IEnumerable<(int Line, int Lines)> Members(string source)
    {
        var code = WithoutTextAndComments(source);
        var blocks = new Stack<(bool IsType, bool IsMember, int Head)>();
        var boundary = 0;
        for (var at = 0; at < code.Length; at++)
        {
            if (code[at] is ';') boundary = at + 1;
            if (code[at] is '{')
            {
                var head = code[boundary..at];
                var inType = blocks.Count == 0 || blocks.Peek().IsType;
                var isType = inType && TypeHead().IsMatch(head);
                blocks.Push((isType, inType && !isType, boundary + head.Length - head.TrimStart().Length));
                boundary = at + 1;
            }

            if (code[at] is '}' && blocks.TryPop(out var block))
            {
                boundary = at + 1;
                if (block.IsMember) yield return (LineOf(code, block.Head), LineOf(code, at) - LineOf(code, block.Head) + 1);
            }
        }
    }

    /// <summary>The same text with strings, characters and comments replaced by blanks; lines stay where they are.</summary>
    public static string WithoutTextAndComments(string source)
    {
        var code = source.ToCharArray();
        for (var at = 0; at < code.Length;)
        {
            var end = EndOfTextOrComment(source, at);
            for (var i = at; i < end; i++) code[i] = code[i] is '\n' ? '\n' : ' ';
            at = Math.Max(end, at + 1);
        }

        return new string(code);
    }

    // The offset behind the comment, string or character that begins here, or the same offset when none does.
    private static int EndOfTextOrComment(string source, int at)
    {
        var rest = source.AsSpan(at);
        if (rest.StartsWith("//")) return End(source, at, "\n");
        if (rest.StartsWith("/*")) return End(source, at + 2, "*/") + 2;
        if (rest[0] is '\'') return EndOfPlain(source, at, '\'', holes: false);
        var prefix = rest.IndexOfAnyExcept('$', '@');
        if (prefix < 0 || rest[prefix] is not '"') return at;
        if (rest[..prefix].Contains('@')) return EndOfVerbatim(source, at + prefix);
        var quotes = rest[prefix..].IndexOfAnyExcept('"') is var found && found < 0 ? rest.Length - prefix : found;
        if (quotes >= 3) return End(source, at + prefix + quotes, new string('"', quotes)) + quotes;
        return EndOfPlain(source, at + prefix, '"', holes: prefix > 0);
    }

    private static int EndOfPlain(string source, int at, char quote, bool holes)
    {
        for (at++; at < source.Length && source[at] is not '\n'; at++)
        {
            if (source[at] is '\\') at++;
            else if (source[at] == quote) return at + 1;
            else if (holes && source[at] is '{') at = source[at + 1] is '{' ? at + 1 : EndOfHole(source, at);
        }

        return Math.Min(at, source.Length);
    }

    private static int EndOfHole(string source, int at)
    {
        var depth = 0;
        while (at < source.Length)
        {
            if (source[at] is '{') depth++;
            if (source[at] is '}' && --depth == 0) return at;
            var end = EndOfTextOrComment(source, at);
            at = end > at ? end : at + 1;
        }

        return at;
    }

    private static int EndOfVerbatim(string source, int at)
    {
        for (at++; at < source.Length; at++)
        {
            if (source[at] is not '"') continue;
            if (at + 1 < source.Length && source[at + 1] is '"') at++;
            else return at + 1;
        }

        return at;
    }

    private static int End(string source, int from, string mark) =>
        source.IndexOf(mark, from, StringComparison.Ordinal) is var found && found < 0 ? source.Length - mark.Length : found;

    private static int LineOf(string code, int at) => code.AsSpan(0, at).Count('\n') + 1;

    [GeneratedRegex(@"\b(class|struct|record|interface|enum|namespace)\s")]
    private static partial Regex TypeHead();
}
