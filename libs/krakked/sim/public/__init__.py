"""What the venue tells everybody: tape, candles, tickers, books; by REST and by subscription."""
