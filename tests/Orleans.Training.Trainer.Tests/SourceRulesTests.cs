using System.Text.RegularExpressions;

namespace Orleans.Training.Trainer.Tests;

/// <summary>Traps of the binding that compile and then compute something else, or crash under the collector.</summary>
public sealed partial class SourceRulesTests
{
    [Fact]
    public void TrainerSource_AvoidsTheTrapsOfTheBinding()
    {
        var folder = Path.Combine(Repository.Root, "src", "Orleans.Training.Trainer");
        var hits = from path in Directory.GetFiles(folder, "*.cs", SearchOption.AllDirectories)
                   from line in File.ReadAllLines(path)
                   where !line.TrimStart().StartsWith("//", StringComparison.Ordinal) && Trap().IsMatch(line)
                   select $"{Path.GetFileName(path)}: {line.Trim()}";
        Assert.Empty(hits);
    }

    // A reduction given a literal takes it for a number type; optimisers, in-place arithmetic with numbers and item() go through a Scalar
    // that can be collected during the native call; random numbers of the library and its dropout are global to the process.
    [GeneratedRegex("""\.(sum|mean|prod|argmax|std|var)\(\d|\boptim\b|\.(add_|sub_|mul_|div_|item|ToSingle|ToDouble)[(<]|manual_seed|Dropout|\.data<""")]
    private static partial Regex Trap();
}
