using System.Text.RegularExpressions;
using Orleans.Training.Protocol;

namespace Orleans.Training.Tests.Tidy;

/// <summary>The page of numbers says what, why and what next, for exactly the numbers that exist.</summary>
public sealed partial class ErrorPageTests
{
    private const string Page = "docs/spec/errors.md";

    private static readonly Dictionary<int, string[]> Rows = Row().Matches(Repository.Read(Page))
        .ToDictionary(match => int.Parse(match.Groups[1].Value), match => match.Groups[2].Value.Split(" | "));

    private static readonly Dictionary<int, string> Rejections = Enum.GetValues<Rejection>().Where(value => value is not Rejection.None).ToDictionary(value => (int)value, value => value.ToString());

    private static HashSet<int> InCode => [.. Repository.Files.Where(path => path is "run" || (path.StartsWith("src/", StringComparison.Ordinal) && path.EndsWith(".cs", StringComparison.Ordinal)))
        .SelectMany(path => Number().Matches(Repository.Read(path))).Select(match => int.Parse(match.Groups[1].Value))];

    [Fact]
    public void EveryNumber_OfTheCode_IsOnThePage() =>
        SourceTests.AssertNone(InCode.Concat(Rejections.Keys).Except(Rows.Keys).Order().Select(number => $"OT-{number} is not in {Page}"));

    [Fact]
    public void EveryNumber_OfThePage_IsInTheCode() =>
        SourceTests.AssertNone(Rows.Keys.Except(InCode.Concat(Rejections.Keys)).Order().Select(number => $"OT-{number} of {Page} is not in the code"));

    [Fact]
    public void EveryRow_SaysWhatWhyAndNext() =>
        SourceTests.AssertNone(Rows.Where(row => row.Value.Length != 3 || row.Value.Any(string.IsNullOrWhiteSpace)).Select(row => $"OT-{row.Key} of {Page} does not say what, why and next"));

    [Fact]
    public void EveryRejection_IsNamedInItsRow() =>
        SourceTests.AssertNone(Rejections.Where(rejection => Rows.TryGetValue(rejection.Key, out var row) && !row[0].StartsWith($"`{rejection.Value}`: ", StringComparison.Ordinal)).Select(rejection => $"OT-{rejection.Key} of {Page} does not name {rejection.Value}"));

    [GeneratedRegex(@"^\| OT-(\d{4}) \| (.*) \|$", RegexOptions.Multiline)]
    private static partial Regex Row();

    [GeneratedRegex(@"OT-(\d{4})")]
    private static partial Regex Number();
}
