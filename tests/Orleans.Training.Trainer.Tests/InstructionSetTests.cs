using System.Diagnostics;

namespace Orleans.Training.Trainer.Tests;

public sealed class InstructionSetTests
{
    [Theory]
    [InlineData("DOTNET_EnableAVX512F")]
    [InlineData("DOTNET_EnableAVX2")]
    [InlineData("DOTNET_EnableAVX")]
    [InlineData("DOTNET_EnableHWIntrinsic")]
    [InlineData("DOTNET_JITMinOpts", "1")]
    public async Task Aggregation_GivesTheSameBits_WithOtherInstructions(string variable, string value = "0")
    {
        var start = new ProcessStartInfo("dotnet", [typeof(InstructionSetTests).Assembly.Location]) { RedirectStandardOutput = true };
        start.Environment[variable] = value;
        using var process = Process.Start(start)!;
        var output = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        Assert.Equal(0, process.ExitCode);
        Assert.Equal(Program.Compute(), output.Trim());
    }
}
