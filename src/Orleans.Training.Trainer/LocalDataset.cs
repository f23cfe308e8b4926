using System.Text.Json;
using System.Text.Json.Serialization;
using Orleans.Training.Protocol;

namespace Orleans.Training.Trainer;

/// <summary>
/// Where a participant keeps a data set: one element of the array in its <c>datasets.json</c>. Kinds: <c>heart-disease</c> and <c>breast-cancer</c> (CSV), <c>idx</c> (images, and
/// labels beside them). Rows of the hold-out are kept for testing: they are neither committed nor trained on.
/// What all trainings together may cost a single row is ε at δ; 0 for no limit (docs/spec/privacy.md §8).
/// </summary>
public sealed record LocalDataset(string Name, string Kind, string Path, string? Labels = null, double HoldOut = 0, ulong HoldOutSeed = 0, double Epsilon = 0, double Delta = 1e-5)
{
    private const int MaximumBytes = 1 << 20;
    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web) { WriteIndented = true, UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow };

    /// <summary>The file in which a participant lists its data sets, below the folder of the machine.</summary>
    public static string ListOf(string root, ParticipantId participant) => System.IO.Path.Combine(root, "participants", participant.Name, "datasets.json");

    /// <summary>What a participant says of a data set.</summary>
    /// <exception cref="TrainerException">The list is missing or not what it should be.</exception>
    public static LocalDataset Find(string root, ParticipantId participant, string name)
    {
        var path = ListOf(root, participant);
        var dataset = Read(path).FirstOrDefault(candidate => candidate.Name == name) ?? throw new TrainerException(TrainerFault.Unreadable, $"{path} lists no data set '{name}': add it, with kind and path");
        return dataset is { Epsilon: >= 0, Delta: > 0 and < 1 } ? dataset : throw new TrainerException(TrainerFault.BadSetting, $"{path}: epsilon ({dataset.Epsilon}) must be 0 or more, and delta ({dataset.Delta}) between 0 and 1");
    }

    /// <summary>Charges a training on this data set to the account of its single rows, unless its owner's limit forbids it.</summary>
    /// <param name="root">The folder of the machine.</param>
    /// <param name="participant">The owner.</param>
    /// <param name="training">The training's name: charged once.</param>
    /// <param name="settings">How it trains; without noise it costs more than any limit.</param>
    /// <param name="rows">Rows that it trains on.</param>
    /// <exception cref="TrainerException">OT-5095.</exception>
    public void Charge(string root, ParticipantId participant, string training, TrainingSettings settings, int rows)
    {
        if (settings.Private is { NoiseMultiplier: > 0 })
        {
            var mechanism = settings.MechanismOn(rows);
            RecordAccount.Of(root, participant, Name).Charge(new(training, mechanism.NoiseMultiplier, mechanism.SamplingRate, settings.StepsOn(rows)), Epsilon, Delta);
        }
        else if (Epsilon > 0)
        {
            throw RecordAccount.Refused($"training {training} has no noise on single rows, and {Name} allows ε = {Epsilon:F3}");
        }
    }

    /// <summary>Reads one data set of a participant: the rows to train on and the rows held out.</summary>
    /// <exception cref="TrainerException">The list or the data are missing or not what they should be.</exception>
    public static (LabelledData Train, LabelledData? Test) Load(string root, ParticipantId participant, string name)
    {
        var path = ListOf(root, participant);
        var dataset = Find(root, participant, name);
        var folder = System.IO.Path.GetDirectoryName(path)!;
        var data = dataset.Kind switch
        {
            "heart-disease" => HeartDisease.PrepareAll(CsvTable.Load(Within(folder, dataset.Path))),
            "breast-cancer" => BreastCancer.Load(Within(folder, dataset.Path)),
            "idx" when dataset.Labels is not null => Mnist.Join(IdxArray.Load(Within(folder, dataset.Path), 3), IdxArray.Load(Within(folder, dataset.Labels), 1)),
            _ => throw new TrainerException(TrainerFault.BadSetting, $"{path}: kind '{dataset.Kind}' is not heart-disease, breast-cancer or idx (with labels)"),
        };
        if (dataset.HoldOut is 0) return (data, null);
        if (dataset.HoldOut is not (> 0 and < 1)) throw new TrainerException(TrainerFault.BadSetting, $"{path}: holdOut ({dataset.HoldOut}) must be 0 or between 0 and 1");
        var (train, test) = data.HoldOut(dataset.HoldOut, dataset.HoldOutSeed);
        return (train, test);
    }

    /// <summary>Writes a participant's list.</summary>
    public static void Write(string root, ParticipantId participant, IReadOnlyList<LocalDataset> datasets)
    {
        var path = ListOf(root, participant);
        Directory.CreateDirectory(System.IO.Path.GetDirectoryName(path)!);
        File.WriteAllBytes(path, JsonSerializer.SerializeToUtf8Bytes(datasets, Json));
    }

    private static LocalDataset[] Read(string path)
    {
        try
        {
            var file = new FileInfo(path);
            if (!file.Exists) throw new TrainerException(TrainerFault.Unreadable, $"{path} does not exist: it lists the participant's data sets");
            if (file.Length > MaximumBytes) throw new TrainerException(TrainerFault.TooLarge, $"{path} is larger than {MaximumBytes} bytes");
            return JsonSerializer.Deserialize<LocalDataset[]>(File.ReadAllBytes(path), Json) ?? [];
        }
        catch (JsonException exception)
        {
            throw new TrainerException(TrainerFault.BadText, $"{path}: {exception.Message}", exception);
        }
    }

    private static string Within(string folder, string path) => System.IO.Path.IsPathRooted(path) ? path : System.IO.Path.Combine(folder, path);
}
