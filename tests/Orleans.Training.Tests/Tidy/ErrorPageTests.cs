using System.Text.RegularExpressions;

namespace Orleans.Training.Tests.Tidy;

/// <summary>The page of numbers says what, why and what next, for exactly the numbers that exist.</summary>
public sealed partial class ErrorPageTests
{
    private const string Page = "docs/spec/errors.md";

    private static readonly Dictionary<int, string[]> Rows = Row().Matches(Repository.Read(Page))
        .ToDictionary(match => int.Parse(match.Groups[1].Value), match => match.Groups[2].Value.Split(" | "));

    // The enums whose values are the numbers: members that have four digits.
    private static readonly string[] Enums =
    [
        "src/Orleans.Training.Protocol/Encoding/Rejection.cs", "src/Orleans.Training.Protocol/Ledger/Receipt.cs", "src/Orleans.Training.Client/Exports/ExportFault.cs", "src/Orleans.Training.Trainer/TrainerException.cs",
        "src/Orleans.Training.Protocol/Aggregation/Masking/MaskFault.cs",
    ];

    private static readonly Dictionary<int, string> Named = Enums.SelectMany(path => Member().Matches(Repository.Read(path))).ToDictionary(match => int.Parse(match.Groups[2].Value), match => match.Groups[1].Value);

    private static HashSet<int> InCode => [.. Repository.Files.Where(path => path is "run" or "tests/run-tests" || (path.StartsWith("src/", StringComparison.Ordinal) && path.EndsWith(".cs", StringComparison.Ordinal)))
        .SelectMany(path => Number().Matches(Repository.Read(path))).Select(match => int.Parse(match.Groups[1].Value))];

    [Fact]
    public void EveryNumber_OfTheCode_IsOnThePage() =>
        SourceTests.AssertNone(InCode.Concat(Named.Keys).Except(Rows.Keys).Order().Select(number => $"OT-{number} is not in {Page}"));

    [Fact]
    public void EveryNumber_OfThePage_IsInTheCode() =>
        SourceTests.AssertNone(Rows.Keys.Except(InCode.Concat(Named.Keys)).Order().Select(number => $"OT-{number} of {Page} is not in the code"));

    [Fact]
    public void EveryRow_SaysWhatWhyAndNext() =>
        SourceTests.AssertNone(Rows.Where(row => row.Value.Length != 3 || row.Value.Any(string.IsNullOrWhiteSpace)).Select(row => $"OT-{row.Key} of {Page} does not say what, why and next"));

    [Fact]
    public void EveryMember_IsNamedInItsRow() =>
        SourceTests.AssertNone(Named.Where(member => Rows.TryGetValue(member.Key, out var row) && !row[0].StartsWith($"`{member.Value}`: ", StringComparison.Ordinal)).Select(member => $"OT-{member.Key} of {Page} does not name {member.Value}"));

    [GeneratedRegex(@"^\| OT-(\d{4}) \| (.*) \|$", RegexOptions.Multiline)]
    private static partial Regex Row();

    [GeneratedRegex(@"^    (\w+) = (\d{4}),", RegexOptions.Multiline)]
    private static partial Regex Member();

    [GeneratedRegex(@"OT-(\d{4})")]
    private static partial Regex Number();
}
