using System.Text.Json;
using Orleans.Training.Grains;
using Orleans.Training.Protocol;

namespace Orleans.Training.Trainer;

/// <summary>One training with noise on single rows: its name, σ, q and its steps.</summary>
public sealed record RecordCharge(string Training, double NoiseMultiplier, double SamplingRate, int Steps);

/// <summary>
/// What a participant's own trainings have cost single rows of one data set, in a file of its own. A training is charged durably before its first step, and once: with the same key it is the same
/// training. The costs of all add up, whatever each was chosen by (Feldman and Zrnic 2021).
/// </summary>
public sealed class RecordAccount(string path)
{
    // Trainings of one process come one by one; a participant's folder belongs to one process.
    private static readonly Lock Gate = new();
    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web) { WriteIndented = true };

    /// <summary>The file of a participant's data set, below the folder of the machine.</summary>
    public static RecordAccount Of(string root, ParticipantId participant, string dataset) => new(Path.Combine(root, "participants", participant.Name, "records", dataset + ".json"));

    /// <summary>ε at δ of all that was charged.</summary>
    public double EpsilonAt(double delta)
    {
        lock (Gate) return EpsilonOf(Read(), delta);
    }

    /// <summary>Charges a training, or refuses it and charges nothing.</summary>
    /// <param name="charge">The training.</param>
    /// <param name="epsilon">What the owner allows in all; 0 for no limit.</param>
    /// <param name="delta">And at which δ.</param>
    /// <exception cref="TrainerException">OT-5095: it would cost more, or the file is damaged.</exception>
    public void Charge(RecordCharge charge, double epsilon, double delta)
    {
        lock (Gate)
        {
            var charges = Read();
            if (charges.Contains(charge)) return;
            charges.Add(charge);
            // Not "more than": a number that is none must be refused too.
            if (epsilon > 0 && !(EpsilonOf(charges, delta) is var spent && spent <= epsilon)) throw Refused($"training {charge.Training} would bring single rows to ε = {EpsilonOf(charges, delta):F3} of {epsilon:F3} at δ = {delta}");
            DurableFiles.CreateFolder(Path.GetDirectoryName(path)!);
            DurableFiles.Write(path, JsonSerializer.SerializeToUtf8Bytes(charges, Json));
        }
    }

    /// <summary>OT-5095.</summary>
    internal static TrainerException Refused(string detail, Exception? inner = null) => new(TrainerFault.RecordBudgetExceeded, detail, inner);

    private static double EpsilonOf(List<RecordCharge> charges, double delta)
    {
        if (charges.Count == 0) return 0;
        var divergences = new double[SampledGaussian.Orders.Count];
        // Trainings on the same terms cost the same.
        foreach (var alike in charges.GroupBy(charge => new SampledGaussian(charge.NoiseMultiplier, charge.SamplingRate)))
        {
            var steps = alike.Sum(charge => (long)charge.Steps);
            for (var i = 0; i < divergences.Length; i++) divergences[i] += steps * alike.Key.DivergenceAt(SampledGaussian.Orders[i]);
        }

        return SampledGaussian.EpsilonOf(divergences, delta);
    }

    private List<RecordCharge> Read()
    {
        if (!File.Exists(path)) return [];
        try
        {
            return JsonSerializer.Deserialize<List<RecordCharge>>(File.ReadAllBytes(path), Json) is { } charges && charges.TrueForAll(charge => charge is { NoiseMultiplier: > 0, SamplingRate: > 0 and <= 1, Steps: > 0 }) ? charges : throw new JsonException("a charge is none");
        }
        catch (JsonException exception)
        {
            // Unreadable is not empty: else what was spent could be spent again.
            throw Refused($"{path}: {exception.Message}", exception);
        }
    }
}
