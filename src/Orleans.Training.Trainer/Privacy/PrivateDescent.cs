using Orleans.Training.Protocol.Aggregation;

namespace Orleans.Training.Trainer;

/// <summary>
/// DP-SGD: each step draws each row with the same probability, cuts its gradient, adds noise to the sum and divides by the number of rows that is expected, never by that which was drawn. Noise is binary64 and not
/// exact on a grid: what leaves is rounded at random to lanes.
/// </summary>
internal static class PrivateDescent
{
    // Rows whose gradients are computed at once.
    private const int Chunk = 256;

    /// <summary>Trains, and returns the loss of the last epoch as if each row had been drawn once: it is not hidden by any noise, and must not leave the machine.</summary>
    public static double Run(Network network, ReadOnlySpan<float> global, LabelledData data, TrainingSettings settings, CancellationToken cancellationToken)
    {
        var (terms, rate, steps) = (settings.Private!, settings.MechanismOn(data.Count).SamplingRate, settings.StepsOn(data.Count));
        using var random = new PrivateRandom(terms.Key);
        var (rows, sum) = (new List<int>(), new float[global.Length]);
        var (loss, drawn) = (0.0, 0L);
        for (var step = 0; step < steps; step++)
        {
            if (step % (steps / settings.Epochs) == 0) (loss, drawn) = (0, 0);
            random.Draw(data.Count, rate, rows);
            Array.Clear(sum);
            for (var start = 0; start < rows.Count; start += Chunk)
            {
                cancellationToken.ThrowIfCancellationRequested();
                loss += network.AddClipped(data, [.. rows.Skip(start).Take(Chunk)], terms.Clip, sum);
            }

            drawn += rows.Count;
            if (!double.IsFinite(loss)) throw new TrainerException(TrainerFault.Diverged, $"the loss is not finite after step {step + 1}");
            if (terms.NoiseMultiplier > 0) random.AddNoise(sum, terms.NoiseMultiplier * terms.Clip);
            for (var i = 0; i < sum.Length; i++) sum[i] = (float)(sum[i] / (rate * data.Count));
            network.Descend(sum, settings.LearningRate, settings.Proximal, global);
        }

        return drawn == 0 ? 0 : loss / drawn * data.Count;
    }
}

/// <summary>Who is in a batch, and noise, from a secret key: the same key gives the same.</summary>
internal sealed class PrivateRandom(ReadOnlySpan<byte> key) : IDisposable
{
    private readonly RoundingStream _stream = new(key);

    /// <summary>Each of so many rows with this probability, to 2⁻⁵³, independently of all others.</summary>
    public void Draw(int count, double rate, List<int> rows)
    {
        rows.Clear();
        for (var row = 0; row < count; row++)
        {
            if ((_stream.NextWord() >> 11) * Unit < rate) rows.Add(row);
        }
    }

    /// <summary>Adds normal variables (Box and Muller 1958).</summary>
    public void AddNoise(Span<float> values, double deviation)
    {
        for (var i = 0; i < values.Length; i += 2)
        {
            var radius = deviation * Math.Sqrt(-2 * Math.Log(((_stream.NextWord() >> 11) + 1) * Unit));
            var (sine, cosine) = Math.SinCos(2 * Math.PI * ((_stream.NextWord() >> 11) * Unit));
            values[i] += (float)(radius * cosine);
            if (i + 1 < values.Length) values[i + 1] += (float)(radius * sine);
        }
    }

    public void Dispose() => _stream.Dispose();

    private const double Unit = 1.0 / (1L << 53);
}
