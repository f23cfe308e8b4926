using System.Security.Cryptography;
using System.Text.RegularExpressions;

namespace Orleans.Training.Trainer.Tests;

public sealed partial class DataFileTests
{
    [Fact]
    public void EveryDataFile_IsTheOneThatTheReadmeNames()
    {
        var listed = Line().Matches(File.ReadAllText(Repository.Data("README.md"))).ToDictionary(match => match.Groups[2].Value, match => match.Groups[1].Value);
        var files = Directory.GetFiles(Repository.Data("."), "*.gz", SearchOption.AllDirectories).Select(path => Path.GetRelativePath(Repository.Data("."), path).Replace('\\', '/')).Order();
        Assert.Equal(files, listed.Keys.Order());
        Assert.All(listed, file => Assert.Equal(file.Value, Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(Repository.Data(file.Key))))));
    }

    [Fact]
    public void HeartDisease_HasTheCohortOfTheFederation()
    {
        var hospitals = HeartDisease.Load(Repository.Data("heart-disease.csv.gz"));
        Assert.Equal(["cleveland 303", "hungarian 261", "switzerland 46", "va 130"], hospitals.Select(hospital => $"{hospital.Name} {hospital.Data.Count}"));
        // Cleveland's first patient: 63 years, male, typical angina, 145 mm Hg, 233 mg/dl, sugar, hypertrophy, 150 beats, no angina, 2.3, healthy.
        Assert.Equal([0.9f, 1f, 0.75f, 0.33f, 1f, 0.4f, 0f, 1.3f, 0f, 0f, 0f, 0f, 1f], hospitals[0].Data.Row(0).ToArray().Select(value => MathF.Round(value, 5)));
        Assert.Equal(0, hospitals[0].Data.Labels[0]);
        Assert.Equal(45, hospitals[2].Data.Labels.ToArray().Sum());
        Assert.Equal([104, 89, 16, 45], hospitals.Select(hospital => hospital.Data.HoldOut(HeartDisease.TestFraction, 1).Test.Count));
    }

    [Fact]
    public void HoldOut_AndPartition_KeepEveryRowOnce()
    {
        var data = HeartDisease.Load(Repository.Data("heart-disease.csv.gz"))[1].Data;
        var (train, test) = data.HoldOut(0.34, 5);
        Assert.Equal(Rows(data), Rows(train).Concat(Rows(test)).Order());
        Assert.Equal(Rows(data), data.Partition(7, 5).SelectMany(Rows).Order());
        Assert.Equal(data.Partition(7, 5).SelectMany(Rows), data.Partition(7, 5).SelectMany(Rows));
        Assert.NotEqual(data.Partition(7, 5).SelectMany(Rows), data.Partition(7, 6).SelectMany(Rows));

        static IEnumerable<string> Rows(LabelledData part) => Enumerable.Range(0, part.Count).Select(i => string.Join(' ', part.Row(i).ToArray()) + part.Labels[i]).Order();
    }

    [Fact]
    public void Commitment_ChangesWithOrderRowsAndSecret()
    {
        var data = HeartDisease.Load(Repository.Data("heart-disease.csv.gz"))[2].Data;
        var secret = new byte[32];
        var commitment = data.Commit(secret);
        Assert.Equal(commitment, data.Select([.. Enumerable.Range(0, data.Count)]).Commit(secret));
        Assert.NotEqual(commitment, data.Select([.. Enumerable.Range(0, data.Count).Reverse()]).Commit(secret));
        Assert.NotEqual(commitment, data.Select([.. Enumerable.Range(0, data.Count - 1)]).Commit(secret));
        Assert.NotEqual(commitment, data.Commit([1, .. new byte[31]]));
    }

    [Fact]
    public void Mnist_HasItsSubset()
    {
        var (train, test) = Mnist.Load(Repository.Data("mnist"));
        Assert.Equal((10_000, 2_000, 784), (train.Count, test.Count, train.FeatureCount));
        Assert.Equal([5, 0, 4, 1, 9], train.Labels[..5].ToArray());
        Assert.Equal([7, 2, 1, 0, 4], test.Labels[..5].ToArray());
        Assert.Equal(1f, train.Row(0).ToArray().Max());
    }

    [Fact]
    public void GzipThatIsDamagedCutShortOrTooLarge_IsRefusedByNumber()
    {
        var packed = File.ReadAllBytes(Repository.Data("heart-disease.csv.gz"));
        Assert.Equal(TrainerFault.BadGzip, Assert.Throws<TrainerException>(() => DataFile.Unpack(packed[..^20])).Fault);
        Assert.Equal(TrainerFault.BadGzip, Assert.Throws<TrainerException>(() => DataFile.Unpack(packed[..(packed.Length / 2)])).Fault);
        Assert.Equal(TrainerFault.BadGzip, Assert.Throws<TrainerException>(() => DataFile.Unpack([.. packed[..100], (byte)~packed[100], .. packed[101..]])).Fault);
        Assert.Equal(TrainerFault.TooLarge, Assert.Throws<TrainerException>(() => DataFile.Unpack(packed, 1000)).Fault);
        var missing = Assert.Throws<TrainerException>(() => DataFile.Read(Repository.Data("no-such-file")));
        Assert.StartsWith("OT-5001 ", missing.Message, StringComparison.Ordinal);
    }

    [GeneratedRegex("^\\| `([0-9a-f]{64})` \\| `([^`]+)` \\|$", RegexOptions.Multiline)]
    private static partial Regex Line();
}
