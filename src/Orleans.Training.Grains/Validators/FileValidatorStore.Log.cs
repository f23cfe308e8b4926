using Microsoft.Extensions.Logging;

namespace Orleans.Training.Grains.Validators;

public sealed partial class FileValidatorStore
{
    [LoggerMessage(Level = LogLevel.Warning, Message = "Journal of {Validator}: {Segment} is cut at offset {Offset}; {Bytes} bytes of frame {Frame} were never acknowledged")]
    private partial void LogTornTail(string validator, string segment, long offset, long bytes, long frame);
}
