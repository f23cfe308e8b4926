using Orleans.Training.Grains;
using Orleans.Training.Grains.Validators;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Simulation;

/// <summary>What reading a journal gave.</summary>
/// <param name="Frames">The records of each frame; meaningless when it was refused.</param>
/// <param name="Refusal">Why it was refused, or null.</param>
/// <param name="LastSegmentBytes">What is left of the last segment.</param>
internal sealed record StoreReading(IReadOnlyList<IReadOnlyList<JournalRecord>> Frames, string? Refusal, long LastSegmentBytes);

/// <summary>Lays the bytes of a simulated disk into a folder and has the real store recover from them.</summary>
internal static class StoreReader
{
    // The store syncs; memory has nothing to sync to.
    private static readonly string Memory = Directory.Exists("/dev/shm") ? "/dev/shm" : Path.GetTempPath();

    public static StoreReading Read(string validator, IReadOnlyList<byte[]> segments, byte[]? leftover)
    {
        var folder = Path.Combine(Memory, $"otrain-simulation-{Guid.NewGuid():N}");
        Directory.CreateDirectory(folder);
        try
        {
            for (var i = 0; i < segments.Count; i++) File.WriteAllBytes(Path.Combine(folder, JournalLayout.FileName(i + 1)), segments[i]);
            if (leftover is not null) File.WriteAllBytes(Path.Combine(folder, JournalLayout.FileName(segments.Count + 1) + ".new"), leftover);
            // Nothing in it waits for anything but files and its own writer.
            return Task.Run(() => Read(validator, folder)).GetAwaiter().GetResult() with { LastSegmentBytes = new FileInfo(Path.Combine(folder, JournalLayout.FileName(segments.Count))).Length };
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static async Task<StoreReading> Read(string validator, string folder)
    {
        var frames = new List<IReadOnlyList<JournalRecord>>();
        await using var store = FileValidatorStore.Open(new FileValidatorStoreOptions { Folder = folder, Validator = validator });
        try
        {
            await foreach (var records in store.Read(default)) frames.Add(records);
            return new StoreReading(frames, null, 0);
        }
        catch (LedgerCorruptException damage)
        {
            return new StoreReading([], damage.Message, 0);
        }
    }
}
