using System.Runtime.InteropServices;
using Orleans.Training.Tests.Fuzz;
using SharpFuzz;

namespace Orleans.Training.Fuzzing;

/// <summary>
/// One parser under AFL++ (<c>./run fuzz</c>): <c>list</c> names all, <c>seeds FOLDER</c> writes what each reads, <c>run NAME</c> reads whatever comes. It must be refused, or read as the one thing that is written
/// so; anything else is a crash.
/// </summary>
internal static class Program
{
    // As afl-fuzz has it.
    private const int MapBytes = 1 << 16;

    public static unsafe int Main(string[] arguments)
    {
        SharpFuzz.Common.Trace.SharedMem = (byte*)NativeMemory.AllocZeroed(MapBytes);
        switch (arguments)
        {
            case ["list"]:
                foreach (var decoder in Decoder.All) Console.WriteLine(decoder.Folder);
                return 0;
            case ["seeds", var folder]:
                WriteSeeds(folder);
                return 0;
            case ["run", var name] when Decoder.All.FirstOrDefault(decoder => decoder.Folder == name) is { } chosen:
                Fuzzer.Run(input => Read(chosen, input));
                return 0;
            default:
                Console.Error.WriteLine("use: list | seeds FOLDER | run NAME, of those that list names");
                return 2;
        }
    }

    private static void WriteSeeds(string folder)
    {
        foreach (var decoder in Decoder.All)
        {
            var own = Directory.CreateDirectory(Path.Combine(folder, decoder.Folder)).FullName;
            // Some read hundreds of examples that differ in a digest only.
            foreach (var (bytes, number) in decoder.Valid.DistinctBy(Convert.ToHexString).OrderBy(bytes => bytes.Length).Take(12).Select((bytes, number) => (bytes, number))) File.WriteAllBytes(Path.Combine(own, $"valid-{number:D2}"), bytes);
        }
    }

    private static void Read(Decoder decoder, Stream input)
    {
        using var bytes = new MemoryStream();
        input.CopyTo(bytes);
        var given = bytes.ToArray();
        if (decoder.ReadAndWrite(given) is { } written && !written.AsSpan().SequenceEqual(given)) throw new InvalidDataException($"{decoder.Name} reads two encodings of one thing.");
    }
}
