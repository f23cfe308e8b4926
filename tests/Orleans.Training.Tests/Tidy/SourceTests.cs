using System.Text.RegularExpressions;

namespace Orleans.Training.Tests.Tidy;

/// <summary>The rules about source files.</summary>
public sealed partial class SourceTests
{
    private const int FileLines = 400;
    private const int MemberLines = 70;

    // Put together here, so that this file keeps the rules too.
    private static readonly string[] Leftovers = ["TO" + "DO", "FIX" + "ME", "HA" + "CK"];
    private static readonly string[] Waits = ["Thread" + ".Sleep", "Task" + ".Delay"];
    private static readonly string[] Workplace = ["/wo" + "rk/", "shared/" + "design", "/ro" + "ot/"];

    [Fact]
    public void SourceFiles_AreShort() =>
        AssertNone(Repository.Sources.Select(path => (path, lines: Repository.Read(path).AsSpan().TrimEnd('\n').Count('\n') + 1)).Where(file => file.lines > FileLines).Select(file => $"{file.path} has {file.lines} lines, more than {FileLines}"));

    [Fact]
    public void Members_AreShort() =>
        AssertNone(from path in Repository.Sources from member in SourceText.Members(Repository.Read(path)) where member.Lines > MemberLines select $"{path}:{member.Line} has {member.Lines} lines, more than {MemberLines}");

    [Fact]
    public void NothingIsLeftForLater() =>
        AssertNone(from path in Repository.Texts from word in Leftovers where Regex.IsMatch(Repository.Read(path), $@"\b{word}\b") select $"{path} contains {word}");

    [Fact]
    public void Tests_NeverWaitForTime() =>
        AssertNone(from path in Repository.Sources where path.StartsWith("tests/", StringComparison.Ordinal) from word in Waits where Repository.Read(path).Contains(word, StringComparison.Ordinal) select $"{path} contains {word}");

    [Fact]
    public void Files_NameNoMachine() =>
        AssertNone(from path in Repository.Texts from word in Workplace where Repository.Read(path).Contains(word, StringComparison.Ordinal) select $"{path} contains {word}");

    [Fact]
    public void Files_NamedInTheArchitecture_Exist()
    {
        const string Page = "docs/ARCHITECTURE.md";
        if (!Repository.Exists(Page)) return;
        AssertNone(NamedPath().Matches(Repository.Read(Page)).Select(match => match.Groups[1].Value).Distinct().Where(path => !Repository.Exists(path)).Select(path => $"{Page} names {path}, which does not exist"));
    }

    [Theory]
    [InlineData("class A\n{\n    void B()\n    {\n        x();\n    }\n}\n", 3, 4)]
    [InlineData("class A\n{\n    string B() // {\n    {\n        return \"{\" + '{' + $\"{x(\"}\")} {{\" + @\"\"\"{\";\n    }\n}\n", 3, 4)]
    [InlineData("namespace N;\nrecord A(int b)\n{\n    public int C\n    {\n        get { return 1; }\n        set { }\n    }\n}\n", 4, 5)]
    [InlineData("class A\n{\n    string B()\n    {\n        return \"\"\"\n            }}}\n            \"\"\";\n    }\n}\n", 3, 6)]
    public void LineCounter_Counts(string source, int line, int lines) => Assert.Equal([(line, lines)], SourceText.Members(source));

    internal static void AssertNone(IEnumerable<string> faults) => Assert.True(faults.ToList() is { Count: 0 }, string.Join('\n', faults));

    // A path of this repository in backticks: it begins with one of the folders at the root.
    [GeneratedRegex(@"`((?:src|tests|docs|infra|data)/[A-Za-z0-9_./-]+)`")]
    private static partial Regex NamedPath();
}
